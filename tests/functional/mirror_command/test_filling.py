"""`relay mirror prepare`, `fill` and `sample`: a CRM is made ready, filled and tried out."""

from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace
from typing import cast

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.klaviyo import Klaviyo
from relay.model.messages import MemberChanged, load
from relay.model.timeline_events import TIMELINE_EVENTS
from relay_cli import mirror_working
from relay_cli.failing import CliError
from relay_cli.mirror_target import Target

from tests.contract.crm.profiles import SHOP
from tests.contract.crm.tokens import FixedToken
from tests.functional.mirror_command.conftest import COUNT, Stage


def test_prepare(stage: Stage) -> None:
    """A rehearsal names what would be defined; then it is, and nothing is lacking any more."""
    would = stage.run("prepare", dry_run=True)["would_define"]
    assert "membership_credit_balance" in would
    assert set(TIMELINE_EVENTS) <= set(would)
    assert stage.run("prepare", dry_run=False)["defined"] == would
    assert stage.run("prepare", dry_run=True)["would_define"] == []


def test_fill_and_status(stage: Stage) -> None:
    """Every member is mirrored, no event is sent, and the status says how many and who not."""
    stage.run("prepare", dry_run=False)
    assert stage.run("status")["pending"] == COUNT
    told = stage.run("fill", afresh=False, yes=True)
    assert (told["sent"], bool(told["finished"])) == (COUNT, True)
    assert stage.run("status")["messages_waiting"] == COUNT
    stage.work()
    found = stage.run("status")
    assert {
        name: found[name] for name in ("members", "mirrored", "pending", "skipped_no_email", "refused")
    } == {
        "members": COUNT,
        "mirrored": COUNT - 1,
        "pending": 0,
        "skipped_no_email": 1,
        "refused": 0,
    }
    assert found["last_fill"]["sent"] == COUNT
    assert not stage.hubspot.portal.events.occurrences


def test_a_fill_asks_where_a_write_can_start_something(stage: Stage) -> None:
    """Nobody at the terminal, and no `--yes`: nothing is done."""
    stage.run("prepare", dry_run=False)
    with pytest.raises(CliError, match="workflows"):
        stage.run("fill", afresh=False, yes=False)
    assert stage.run("status")["messages_waiting"] == 0


def test_a_fill_by_jobs_asks_too() -> None:
    """A job starts no flow by itself, and moves people into segments that do."""
    crm = Klaviyo("https://klaviyo.example", FixedToken())
    target = cast("Target", SimpleNamespace(crm=crm, name="klaviyo"))
    with pytest.raises(CliError, match="flows that a segment"):
        mirror_working.fill(target, Namespace(afresh=False, yes=False))


def test_a_fill_goes_on(stage: Stage) -> None:
    """One that was interrupted begins where it ended; a finished one, or `--afresh`, begins anew."""
    stage.run("prepare", dry_run=False)
    stage.target.inventory.save_run(
        "backfill", {"started": "before", "finished": "", "cursor": None, "sent": 1000}
    )
    assert stage.run("fill", afresh=False, yes=True)["sent"] == 1000 + COUNT
    assert stage.run("fill", afresh=False, yes=True)["sent"] == COUNT
    stage.target.inventory.save_run(
        "backfill", {"started": "before", "finished": "", "cursor": None, "sent": 1000}
    )
    assert stage.run("fill", afresh=True, yes=True)["sent"] == COUNT


def test_sample(stage: Stage) -> None:
    """One event of each name is sent, about a member that is no customer."""
    stage.run("prepare", dry_run=False)
    found = stage.run("sample", email="Me@Example.com ", yes=True)
    assert found["events"] == dict.fromkeys(TIMELINE_EVENTS, "mirrored")
    assert len(stage.hubspot.portal.events.occurrences) == len(TIMELINE_EVENTS)
    (contact,) = stage.hubspot.portal.contacts.values()
    assert (contact["email"], contact["membership_key"]) == ("me@example.com", f"{SHOP}:sample")


def test_backfill_messages_carry_no_notes(stage: Stage) -> None:
    """What a fill sends names a member and is marked as a back-fill."""
    stage.run("prepare", dry_run=False)
    stage.run("fill", afresh=False, yes=True)
    received = client("sqs").receive_message(QueueUrl=stage.queue)["Messages"]
    assert load(MemberChanged, received[0]["Body"]).backfill
