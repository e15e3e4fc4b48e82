"""`relay mirror audit`, and the clock's: what was edited in the CRM is put right, and nothing else is touched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from relay.crm.audit import AUDIT_COMMAND, CrmAudit, message, start
from relay.model.messages import AuditStep, Outbox
from relay.ports.members import MemberRecord
from relay.queues.batch import read_message
from sim.standins.faulty import Fault

from tests.contract.crm.profiles import key_of, member
from tests.functional.mirror_command.conftest import COUNT, Stage, filled
from tests.support.port_fakes import FakeContext, FakeOutgoing


def test_audit(stage: Stage) -> None:
    """What was edited is put right, who was deleted is made again, and a second audit finds nothing."""
    filled(stage)
    stage.contact(3)["membership_tier"] = "Platinum"
    contacts = stage.hubspot.portal.contacts
    del contacts[next(id_ for id_, held in contacts.items() if held["membership_key"] == key_of(4))]
    found = stage.run("audit")
    assert {name: found[name] for name in ("read", "edited", "missing", "repaired", "fields")} == {
        "read": COUNT - 1,
        "edited": 1,
        "missing": 1,
        "repaired": 2,
        "fields": {"tier_name": 1},
    }
    assert stage.contact(3)["membership_tier"] == "Gold"
    assert stage.contact(4)["email"] == "member-4@example.com"
    again = stage.run("audit")
    assert (again["edited"], again["missing"]) == (0, 0)
    assert stage.run("status")["last_audit"]["finished"] is True


def test_the_clocks_audit(stage: Stage) -> None:
    """A message on the target's queue starts one; it works through its pages and notes what it found."""
    filled(stage)
    stage.contact(3)["membership_tier"] = "Platinum"
    start(stage.target.queue, datetime(2026, 11, 22, 3, tzinfo=UTC))
    stage.work()
    assert stage.contact(3)["membership_tier"] == "Gold"
    found = stage.run("status")["last_audit"]
    assert (found["finished"], found["repaired"]) == (True, 1)


def test_an_audit_leaves_changes_under_way_alone(stage: Stage) -> None:
    """A member whose newest state is not sent yet differs for a good reason."""
    filled(stage)
    known = stage.members.load([key_of(3)])[0][key_of(3)]
    told = member(3, datetime.now(UTC), email="member-3@example.com", tier_name="Silver")
    stage.members.save(
        MemberRecord(member=told, version=known.version), Outbox(member=key_of(3), changed=True)
    )
    assert stage.run("audit")["edited"] == 0
    assert stage.contact(3)["membership_tier"] == "Gold"


def auditing(stage: Stage, queue: FakeOutgoing) -> CrmAudit:
    """Return audits whose next steps go to a queue in memory."""
    return CrmAudit(writer=stage.target.writing, sync_state_scan=stage.target.inventory, queue=queue)


def received(audit: AuditStep) -> Any:
    """Return a step as it is received."""
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


def test_a_step_twice_is_once(stage: Stage) -> None:
    """A step that comes again is over; a second run waits until the first is."""
    filled(stage)
    queue = FakeOutgoing()
    audits = auditing(stage, queue)
    first, other = AuditStep(run=datetime.now(UTC)), AuditStep(run=datetime(2026, 1, 1, tzinfo=UTC))
    stage.target.inventory.save_run(
        "audit",
        {"run": first.run.isoformat(), "step": 0, "at": datetime.now(UTC).isoformat(), "finished": False},
    )
    asked = len(stage.hubspot.requests)
    assert audits.run(received(other), FakeContext()) is None
    assert len(stage.hubspot.requests) == asked, "another run is under way"
    assert audits.run(received(first), FakeContext()) is None
    asked = len(stage.hubspot.requests)
    assert audits.run(received(first), FakeContext()) is None
    assert len(stage.hubspot.requests) == asked, "that step is done"
    assert queue.sent == [], "and the only page was the last"


def test_an_audit_waits_out_an_outage(stage: Stage) -> None:
    """A step that could not read is put off, and nothing is noted of it."""
    filled(stage)
    stage.hubspot.faults.append(Fault(status=503))
    answer = auditing(stage, FakeOutgoing()).run(received(AuditStep(run=datetime.now(UTC))), FakeContext())
    assert answer is not None
    assert stage.target.inventory.load_run("audit") == {}
    assert AUDIT_COMMAND == "audit"
