"""`relay mirror status` and `diff`: who is mirrored, who is not and why, and what stands in the CRM."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import ClaimResult
from relay_cli import mirror
from relay_cli.failing import CliError
from relay_cli.mirror_target import Target, explained

from tests.contract.crm.profiles import key_of, wanted
from tests.functional.mirror_command.conftest import Stage, filled


def test_refused_and_why(stage: Stage) -> None:
    """A member whom HubSpot will not have is counted with the reason."""
    stage.run("prepare", dry_run=False)
    stage.hubspot.portal.create({"email": "member-3@example.com", "membership_key": "other.myshopify.com:1"})
    filled(stage)
    found = stage.run("status")
    assert (found["refused"], found["refused_why"]) == (1, {"owned_by_other": 1})


def test_diff(stage: Stage) -> None:
    """What was edited in HubSpot stands beside what we wrote; addresses only where they are asked for."""
    filled(stage)
    stage.contact(3)["membership_tier"] = "Platinum"
    stage.contact(4)["email"] = "secret@example.com"
    found = stage.run("diff", members=[], reveal=False, limit=20)["members"]
    assert found.keys() == {key_of(3), key_of(4)}
    assert found[key_of(3)] == {"tier_name": {"ours": "Gold", "theirs": "Platinum", "same": False}}
    assert "secret" not in json.dumps(found)
    shown = stage.run("diff", members=["4"], reveal=True, limit=20)["members"][key_of(4)]
    assert shown["email"] == {"ours": "member-4@example.com", "theirs": "secret@example.com", "same": False}
    assert shown["tier_name"]["same"]
    with pytest.raises(CliError):
        stage.run("diff", members=["jane@example.com"], reveal=False, limit=20)


def test_who_is_none_of_ours(stage: Stage) -> None:
    """An id that no member of the programme has is said to be one, and compared with nothing."""
    filled(stage)
    found = stage.run("diff", members=["4", "987654"], reveal=False, limit=20)
    assert found["members"].keys() == {key_of(4)}
    assert found["no_members_of_ours"] == [key_of(987654)]
    nobody = stage.run("diff", members=["987654"], reveal=False, limit=20)
    assert nobody["members"] == {}


def test_who_could_not_be_cleared(stage: Stage) -> None:
    """Somebody erased whom the CRM would not clear is shown as refused, and why."""
    filled(stage)
    mirrors = stage.target.writing.sync_states
    now = datetime.now(UTC)
    claim = mirrors.claim([key_of(3)], now=now, until=now)[key_of(3)]
    refused = CrmOutcome(state="refused", reason="not_cleared_http_400")
    mirrors.release_claims([ClaimResult(profile=wanted(3), token=claim.token, outcome=refused, final=False)])
    found = stage.run("status")
    assert (found["refused"], found["refused_why"]) == (1, {"not_cleared_http_400": 1})
    assert found["pending"] == 0


def test_what_is_said_when_it_cannot_be(stage: Stage) -> None:
    """An unknown target, and credentials that HubSpot refuses, are said in a sentence."""
    with pytest.raises(CliError, match="mirrors to no klaviyo"):
        Target(stage.target.account, "klaviyo").connect()
    stage.hubspot.token = "another"
    with pytest.raises(CliError, match="HUBSPOT_SECRET"), explained():
        stage.run("prepare", dry_run=True)


def test_the_result_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """People read words and numbers; what never was is called so."""
    mirror._show(
        {"mirrored": 3, "refused_why": {"owned_by_other": 1}, "last_fill": {}, "at": None, "ids": ["a"]}
    )
    assert capsys.readouterr().out.splitlines() == [
        "mirrored: 3",
        "refused why:",
        "  owned by other: 1",
        "last fill: none",
        "at: never",
        "ids: a",
    ]
