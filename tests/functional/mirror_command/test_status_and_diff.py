"""`relay mirror status` and `diff`: counts, reasons, the circuit breaker, and differences to the CRM."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.errors import MisconfiguredError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord, CircuitState, ClaimResult
from relay_cli.commands.mirror.command import exit_code
from relay_cli.commands.mirror.target import Target
from relay_cli.commands.mirror.text import as_text
from relay_cli.errors import ATTENTION, DONE, WRONG_INPUT, CliError, UsageError
from relay_cli.known_errors import known_error

from tests.contract.crm.profiles import key_of, wanted
from tests.functional.mirror_command.conftest import COUNT, MirrorSetup, filled


def test_refused_members_and_reasons(mirror: MirrorSetup) -> None:
    """A member that HubSpot refuses is counted by reason."""
    mirror.run("prepare", dry_run=False)
    mirror.hubspot.portal.create({"email": "member-3@example.com", "membership_key": "other.myshopify.com:1"})
    filled(mirror)
    found = mirror.run("status")
    assert (found["refused"], found["refused_why"]) == (1, {"owned_by_other": 1})


@pytest.mark.parametrize(
    ("state", "circuit"),
    [("open", "open"), ("half_open", "half open")],
)
def test_the_circuit(mirror: MirrorSetup, state: CircuitState, circuit: str) -> None:
    """The circuit is closed while calls flow, open during an outage, and half open while a probe is under way."""
    assert mirror.run("status")["circuit"] == "closed"
    until = datetime(2026, 11, 22, 3, tzinfo=UTC)
    record = CircuitRecord(state=state, until=until, failures=1, reason="http_503", version=1)
    assert mirror.target.circuits.compare_and_swap(mirror.target.circuits.load(), record)
    found = mirror.run("status")
    assert (found["circuit"], found["circuit_open_until"], found["circuit_reason"]) == (
        circuit,
        "2026-11-22T03:00:00+00:00",
        "http_503",
    )


def test_diff(mirror: MirrorSetup) -> None:
    """Values edited in HubSpot are shown beside Relay's; addresses only with `--reveal`."""
    filled(mirror)
    mirror.contact(3)["membership_tier"] = "Platinum"
    mirror.contact(4)["email"] = "secret@example.com"
    found = mirror.run("diff", members=[], reveal=False, limit=20)["members"]
    assert found.keys() == {key_of(3), key_of(4)}
    assert found[key_of(3)] == {
        "tier_name": {"ours": "Gold", "theirs": "Platinum", "same": False, "compared": True}
    }
    assert "secret" not in json.dumps(found)
    shown = mirror.run("diff", members=["4"], reveal=True, limit=20)["members"][key_of(4)]
    assert shown["email"] == {
        "ours": "member-4@example.com",
        "theirs": "secret@example.com",
        "same": False,
        "compared": True,
    }
    equal = mirror.run("diff", members=["5"], reveal=False, limit=20)
    assert exit_code("diff", equal) == DONE
    text = as_text(equal)
    assert text.endswith("nothing differs")
    assert re.search(r"mirror_updated_at +\S+ +not compared$", text, re.MULTILINE)
    assert "nothing differs" not in as_text(mirror.run("diff", members=["4"], reveal=False, limit=20))
    assert shown["tier_name"]["same"]
    with pytest.raises(CliError):
        mirror.run("diff", members=["jane@example.com"], reveal=False, limit=20)


def test_an_unknown_member(mirror: MirrorSetup) -> None:
    """A customer id without a member is listed as unknown and not compared."""
    filled(mirror)
    found = mirror.run("diff", members=["4", "987654"], reveal=False, limit=20)
    assert found["members"].keys() == {key_of(4)}
    assert found["unknown_members"] == [key_of(987654)]
    with pytest.raises(CliError, match="no member is called 987654"):
        mirror.run("diff", members=["987654"], reveal=False, limit=20)


def test_who_is_not_held_does_not_differ(mirror: MirrorSetup) -> None:
    """A contact that is refused is no difference in every field: the result says that the member is not compared, and where to look."""
    filled(mirror)
    mirror.hubspot.portal.contacts.clear()
    mirror.run("audit")
    for members, number in (([], COUNT - 1), (["3"], 1)):
        found = mirror.run("diff", members=members, reveal=False, limit=20)
        assert found["members"] == {}
        assert found["not_held"]["refused: contact_deleted"] == number
        assert "relay mirror status hubspot --who" in as_text(found)
        assert "no difference among the members that the CRM holds" in as_text(found)


def test_a_contact_that_could_not_be_cleared(mirror: MirrorSetup) -> None:
    """An erased member whose contact the CRM did not clear is counted as refused, with the reason."""
    filled(mirror)
    sync_states = mirror.target.writer.sync_states
    now = datetime.now(UTC)
    claim = sync_states.claim([key_of(3)], now=now, until=now)[key_of(3)]
    refused = CrmOutcome(state="refused", reason="not_cleared_http_400")
    sync_states.release_claims(
        [ClaimResult(profile=wanted(3), token=claim.token, outcome=refused, final=False)]
    )
    found = mirror.run("status")
    assert (found["refused"], found["refused_why"]) == (1, {"not_cleared_http_400": 1})
    assert found["pending"] == 0


def test_errors_for_the_terminal(mirror: MirrorSetup) -> None:
    """An unknown target and refused credentials are reported in a sentence."""
    with pytest.raises(CliError, match="has no target klaviyo"):
        Target(mirror.target.stack, "klaviyo").load_settings()
    mirror.hubspot.token = "another"
    with pytest.raises(MisconfiguredError) as refused:
        mirror.run("prepare", dry_run=True)
    assert "HubSpotSecret" in str(known_error(refused.value))


def test_a_mistyped_target_names_those_there_are(mirror: MirrorSetup) -> None:
    """A person who mistypes a target sees which ones the stack has."""
    with pytest.raises(CliError, match="it has hubspot"):
        Target(mirror.target.stack, "hubsport").load_settings()


def test_who_waits_and_a_retry(mirror: MirrorSetup) -> None:
    """Each member that waits or was refused is named: why, since when, what to do; a retry tries them at once."""
    mirror.hubspot.portal.create({"email": "member-3@example.com"})
    mirror.run("prepare", dry_run=False)
    mirror.hubspot.portal.required.add("lastname")
    filled(mirror)
    found = mirror.run("status", who=True)
    assert found["waiting"] == COUNT - 1
    assert found["waiting_why"] == {"required_property lastname": COUNT - 1}
    assert (found["pending"], found["refused"]) == (0, 0)
    first = found["who"][0]
    assert (first["state"], first["reason"]) == ("waiting", "required_property lastname")
    assert "fill the property" in first["what_to_do"]
    assert first["since"]
    assert "what to do" in as_text(found)
    mirror.hubspot.portal.required.clear()
    circuit = mirror.target.circuits.load()
    mirror.target.circuits.compare_and_swap(circuit, CircuitRecord(version=circuit.version + 1))
    assert mirror.run("retry", members=["3"])["queued"] == 1
    mirror.process_queue()
    assert mirror.run("status")["mirrored"] == 1
    assert mirror.run("retry", members=[])["queued"] == COUNT - 2
    mirror.process_queue()
    assert mirror.run("status")["mirrored"] == COUNT - 1
    with pytest.raises(UsageError, match=key_of(987654)):
        mirror.run("retry", members=["3", "987654"])
    assert mirror.run("status")["messages_waiting"] == 0, "a mistyped id queues nothing"


def test_the_version_that_ends(mirror: MirrorSetup) -> None:
    """A version that the provider ends within half a year is told; a later one is not."""
    assert "version_ends" not in mirror.run("status")
    adapter: Any = mirror.target.services.crm
    adapter.version_ends = mirror.target.now().date() + timedelta(days=30)
    assert "docs/hubspot.md" in mirror.run("status")["version_ends"]


@pytest.mark.parametrize(
    ("action", "result", "code"),
    [
        ("audit", {"edited": 2, "missing": 0, "repaired": 2}, DONE),
        ("audit", {"edited": 2, "missing": 1, "repaired": 2}, ATTENTION),
        ("audit", {"edited": 2, "missing": 0, "repaired": 1, "again": 1}, ATTENTION),
        ("status", {"refused": 1, "who": [{"state": "refused"}]}, ATTENTION),
        ("status", {"refused": 0, "who": [{"state": "waiting"}]}, DONE),
        ("status", {"refused": 1}, DONE),
        ("retry", {"queued": 1}, DONE),
        ("diff", {"members": {}, "unknown_members": ["k"]}, WRONG_INPUT),
    ],
)
def test_the_exit_code_says_whether_something_is_left_to_do(
    action: str, result: dict[str, Any], code: int
) -> None:
    """What was repaired is done, and what waits is tried again by itself."""
    assert exit_code(action, result) == code


def test_the_result_as_text() -> None:
    """Keys are printed as words, and empty values as `none` or `never`; fields that differ come first."""
    text = as_text(
        {"removed": False, "mirrored": 3, "refused_why": {"owned_by_other": 1}, "last_fill": {}, "at": None}
    )
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "removed no",
        "mirrored 3",
        "refused why: owned by other 1",
        "last fill none",
        "at never",
    ]
    refused = {
        "member": "k",
        "state": "refused",
        "reason": "r",
        "since": "",
        "next_try": "",
        "what_to_do": "w",
    }
    assert as_text({"who": [refused]}).splitlines()[-1].split() == ["k", "refused", "r", "-", "-", "w"]
    same = {"ours": "a", "theirs": "a", "same": True}
    differs = {"ours": "Gold", "theirs": "Silver", "same": False}
    lines = as_text({"target": "t", "members": {"k": {"a": same, "z": differs}}}).splitlines()
    assert lines[-4].split() == ["k", "z", "Gold", "Silver", "differs"]
    assert lines[-3].split() == ["k", "a", "a", "a"]
    assert lines[-1].startswith("`relay mirror audit t` repairs")
