"""`relay mirror audit` and the scheduled audit: contacts edited in the CRM are repaired, and no others are written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.fault_queue import Fault
from relay.crm.audit import AUDIT_TOPIC, CrmAudit, message, start
from relay.model.messages import AuditStep, Outbox
from relay.ports.members import MemberRecord
from relay.queues.batch import read_message

from tests.contract.crm.profiles import key_of, member
from tests.functional.mirror_command.conftest import COUNT, MirrorSetup, filled
from tests.support.port_fakes import FakeContext, FakeOutgoing


@pytest.mark.parametrize("remake", [False, True])
def test_audit(mirror: MirrorSetup, remake: bool) -> None:  # noqa: FBT001 - a table's column
    """An edited contact is repaired, a deleted one made again where the rules say so; a second audit finds no difference."""
    mirror.members.store_rules(json.dumps({"remake_contacts": ["hubspot"] if remake else []}))
    filled(mirror)
    mirror.contact(3)["membership_tier"] = "Platinum"
    contacts = mirror.hubspot.portal.contacts
    del contacts[next(id_ for id_, held in contacts.items() if held["membership_key"] == key_of(4))]
    found = mirror.run("audit")
    assert {name: found[name] for name in ("read", "edited", "missing", "repaired", "fields")} == {
        "read": COUNT - 1,
        "edited": 1,
        "missing": 1,
        "repaired": 1 + remake,
        "fields": {"tier_name": 1},
    }
    assert mirror.contact(3)["membership_tier"] == "Gold"
    emails = {contact.get("email") for contact in contacts.values()}
    assert ("member-4@example.com" in emails) is remake
    again = mirror.run("audit")
    assert (again["edited"], again["missing"]) == (0, 0)
    status = mirror.run("status", who=True)
    assert status["last_audit"]["finished"] is True
    assert [(each["member"], each["reason"]) for each in status["who"]] == (
        [] if remake else [(key_of(4), "contact_deleted")]
    )


def test_the_scheduled_audit(mirror: MirrorSetup) -> None:
    """A message on the target's queue starts an audit, which reads all pages and stores its counts."""
    filled(mirror)
    mirror.contact(3)["membership_tier"] = "Platinum"
    start(mirror.target.queue, datetime(2026, 11, 22, 3, tzinfo=UTC))
    mirror.process_queue()
    assert mirror.contact(3)["membership_tier"] == "Gold"
    found = mirror.run("status")["last_audit"]
    assert (found["finished"], found["repaired"]) == (True, 1)


def test_an_audit_ignores_changes_in_flight(mirror: MirrorSetup) -> None:
    """A member whose newest state is not sent yet is no difference."""
    filled(mirror)
    known = mirror.members.load([key_of(3)])[0][key_of(3)]
    changed = member(3, datetime.now(UTC), email="member-3@example.com", tier_name="Silver")
    mirror.members.save(
        MemberRecord(member=changed, version=known.version), Outbox(member=key_of(3), changed=True)
    )
    assert mirror.run("audit")["edited"] == 0
    assert mirror.contact(3)["membership_tier"] == "Gold"


def auditing(mirror: MirrorSetup, queue: FakeOutgoing) -> CrmAudit:
    """Return an auditor whose next steps go to a queue in memory."""
    return CrmAudit(writer=mirror.target.writer, sync_state_scan=mirror.target.sync_state_scan, queue=queue)


def received(audit: AuditStep) -> Any:
    """Return a step as the function receives it."""
    sent = message(audit)
    return read_message(
        {
            "messageId": "a",
            "receiptHandle": "r",
            "body": sent.body,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
            "messageAttributes": {name: {"stringValue": value} for name, value in sent.attributes.items()},
        }
    )


def test_a_step_twice_is_once(mirror: MirrorSetup) -> None:
    """A repeated step does nothing, and a second run waits for the first one's end."""
    filled(mirror)
    queue = FakeOutgoing()
    audits = auditing(mirror, queue)
    first, other = AuditStep(run=datetime.now(UTC)), AuditStep(run=datetime(2026, 1, 1, tzinfo=UTC))
    mirror.target.sync_state_scan.save_run(
        "audit",
        {"run": first.run.isoformat(), "step": 0, "at": datetime.now(UTC).isoformat(), "finished": False},
    )
    asked = len(mirror.hubspot.requests)
    assert audits.run(received(other), FakeContext()) is None
    assert len(mirror.hubspot.requests) == asked, "another run is under way"
    assert audits.run(received(first), FakeContext()) is None
    asked = len(mirror.hubspot.requests)
    assert audits.run(received(first), FakeContext()) is None
    assert len(mirror.hubspot.requests) == asked, "that step is done"
    assert queue.sent == [], "the only page was the last"


def test_a_failed_audit_step_is_deferred(mirror: MirrorSetup) -> None:
    """A step that cannot read the CRM is deferred, and stores nothing."""
    filled(mirror)
    mirror.hubspot.faults.append(Fault(status=503))
    answer = auditing(mirror, FakeOutgoing()).run(received(AuditStep(run=datetime.now(UTC))), FakeContext())
    assert answer is not None
    assert mirror.target.sync_state_scan.load_run("audit") == {}
    assert AUDIT_TOPIC == "relay.audit"
