"""`relay mirror prepare`, `fill` and `sample`: define the fields, write all members, send samples."""

from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace
from typing import cast

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.klaviyo import Klaviyo
from relay.model.messages import MemberChanged, load
from relay.model.timeline_events import TIMELINE_EVENTS
from relay_cli.commands.mirror import maintenance
from relay_cli.commands.mirror.target import Target
from relay_cli.errors import CliError

from tests.contract.crm.profiles import SHOP
from tests.contract.crm.tokens import FixedToken
from tests.functional.mirror_command.conftest import COUNT, MirrorSetup


def test_prepare(mirror: MirrorSetup) -> None:
    """`--dry-run` lists what would be defined; afterwards nothing is missing."""
    would = mirror.run("prepare", dry_run=True)["would_define"]
    assert "membership_credit_balance" in would
    assert set(TIMELINE_EVENTS) <= set(would)
    assert mirror.run("prepare", dry_run=False)["defined"] == would
    assert mirror.run("prepare", dry_run=True)["would_define"] == []


def test_fill_and_status(mirror: MirrorSetup) -> None:
    """Every member is written, no event is sent, and the status has the counts."""
    mirror.run("prepare", dry_run=False)
    assert mirror.run("status")["pending"] == COUNT
    result = mirror.run("fill", restart=False, yes=True)
    assert (result["sent"], bool(result["finished"])) == (COUNT, True)
    assert mirror.run("status")["messages_waiting"] == COUNT
    mirror.process_queue()
    found = mirror.run("status")
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
    assert not mirror.hubspot.portal.events.occurrences


def test_a_fill_asks_where_it_can_start_automations(mirror: MirrorSetup) -> None:
    """Without a terminal and without `--yes` nothing is queued."""
    mirror.run("prepare", dry_run=False)
    with pytest.raises(CliError, match="workflows"):
        mirror.run("fill", restart=False, yes=False)
    assert mirror.run("status")["messages_waiting"] == 0


def test_a_fill_by_jobs_asks_too() -> None:
    """An import job starts no flow itself, but moves people into segments that start one."""
    crm = Klaviyo("https://klaviyo.example", FixedToken())
    target = cast("Target", SimpleNamespace(crm=crm, name="klaviyo"))
    with pytest.raises(CliError, match="flows that a segment"):
        maintenance.fill(target, Namespace(restart=False, yes=False))


def test_a_fill_resumes(mirror: MirrorSetup) -> None:
    """An interrupted fill resumes where it stopped; after a finished one, or with `--restart`, it starts again."""
    mirror.run("prepare", dry_run=False)
    mirror.target.inventory.note("fill", {"started": "before", "finished": "", "cursor": None, "sent": 1000})
    assert mirror.run("fill", restart=False, yes=True)["sent"] == 1000 + COUNT
    assert mirror.run("fill", restart=False, yes=True)["sent"] == COUNT
    mirror.target.inventory.note("fill", {"started": "before", "finished": "", "cursor": None, "sent": 1000})
    assert mirror.run("fill", restart=True, yes=True)["sent"] == COUNT


def test_sample(mirror: MirrorSetup) -> None:
    """One event of each name is sent, for a contact that is no customer."""
    mirror.run("prepare", dry_run=False)
    found = mirror.run("sample", email="Me@Example.com ", yes=True)
    assert found["events"] == dict.fromkeys(TIMELINE_EVENTS, "mirrored")
    assert len(mirror.hubspot.portal.events.occurrences) == len(TIMELINE_EVENTS)
    (contact,) = mirror.hubspot.portal.contacts.values()
    assert (contact["email"], contact["membership_key"]) == ("me@example.com", f"{SHOP}:sample")


def test_fill_messages_are_marked_as_backfill(mirror: MirrorSetup) -> None:
    """A message of a fill has a member's key and the mark that keeps events back."""
    mirror.run("prepare", dry_run=False)
    mirror.run("fill", restart=False, yes=True)
    received = client("sqs").receive_message(QueueUrl=mirror.queue)["Messages"]
    assert load(MemberChanged, received[0]["Body"]).backfill
