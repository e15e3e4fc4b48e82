"""Who is erased stays erased through a reading, a redrive and a replay, and is mirrored again after joining again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from relay.ingest.consumer import Consumer
from relay.model.consistency import EVIDENCE
from relay.model.delivery import Delivery, pack
from relay.model.facts import Facts
from relay.model.member import merge
from relay.queues.batch import Message, dead_letter
from relay.recovery.letters import as_new, read_letter
from relay.rules.crm_profile import crm_profile
from relay.rules.settings import Rules

from tests.support.port_fakes import NOW, FakeContext, World, sample
from tests.support.topic_functions import TOPIC_RULES
from tests.unit.reconcile.reconcile_setup import ANNA, KEY, ReconcileSetup

UPDATED = "customer.updated"
DAY = timedelta(days=1)
ADDRESS = "member-1@example.com"


@dataclass
class Person:
    """A member, the API that still knows her, and the consumers of her events, over one table and one journal."""

    setup: ReconcileSetup = field(default_factory=ReconcileSetup)

    def __post_init__(self) -> None:
        """Make the consumers see the same table."""
        self.world = World(members=self.setup.members, journal=self.setup.journal)

    def message(self, topic: str, at: datetime, *, anonymized: bool = False) -> tuple[str, Any]:
        """Return an event of hers as it is queued."""
        content = sample(topic)
        payload = content["payload"]
        customer = payload.get("customerId") or payload["newData"]["customerId"]
        content = json.loads(json.dumps(content).replace(customer, "1"))
        content["payload"]["createdAt"] = content["metadata"]["triggerredAt"] = at.isoformat()
        if anonymized:
            content["payload"]["newData"]["anonymized"] = True
        body = json.dumps(content).encode()
        event_id = f"{int(at.timestamp()):032x}"
        return pack(Delivery(event_id=event_id, body=body, received_at=at, topic=topic))

    def handle(self, topic: str, text: str, header: Any) -> None:
        """Let the topic's consumer handle a message."""
        self.world.now = header.received_at
        record = {
            "messageId": "m",
            "receiptHandle": "r",
            "body": text,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(int(header.received_at.timestamp() * 1000)),
            },
            "messageAttributes": {name: {"stringValue": value} for name, value in header.attributes.items()},
        }
        answer = Consumer(TOPIC_RULES[topic], self.world.services)({"Records": [record]}, FakeContext())
        assert answer == {"batchItemFailures": []}

    def tell(self, topic: str, at: datetime) -> None:
        """Deliver an event of hers."""
        self.handle(topic, *self.message(topic, at))

    def erase(self, at: datetime) -> None:
        """Erase her as the command does."""
        record = self.setup.members.records[KEY]
        facts = Facts(event_id="e" * 32, at=at, values={"erased_at": at})
        self.setup.members.records[KEY] = replace(record, member=merge(record.member, facts))

    @property
    def mirrored(self) -> str | None:
        """The address that a CRM would get."""
        return crm_profile(self.setup.member, Rules()).email

    def journal_since(self, number: int) -> str:
        """Return what the journal says since a line."""
        return str(self.setup.journal.lines[number:])


@pytest.fixture
def person() -> Person:
    """Return a member who is known by her address, and erased."""
    made = Person()
    made.tell(UPDATED, NOW - 3 * DAY)
    assert made.mirrored == ADDRESS
    made.erase(NOW - DAY)
    return made


def test_erase_reconcile_redrive_replay(person: Person) -> None:
    """Each would bring the address back, and none does; nor does the journal get it again."""
    known = len(person.setup.journal.lines)
    # The API still shows her.
    person.setup.tell(-30, seen_status="CANCELLED")
    person.setup.api.answer = {**ANNA, "email": ADDRESS}
    person.setup.work(EVIDENCE)
    assert (person.setup.member.is_erased, person.mirrored) == (True, None)
    # A letter of before the erasure is redriven.
    text, header = person.message(UPDATED, NOW - 2 * DAY)
    message = Message(id="m", body=text, receives=20, receipt="r", sent_at=header.received_at, header=header)
    letter = dead_letter(message, RuntimeError(), "updated")
    moved = read_letter(replace(message, body=letter.body, header=letter.header), "relay")
    person.handle(UPDATED, letter.body, as_new(moved, NOW))
    assert (person.setup.member.is_erased, person.mirrored) == (True, None)
    # The first event is replayed from the journal.
    text, header = person.message(UPDATED, NOW - 3 * DAY)
    person.handle(UPDATED, text, replace(header, replays=1))
    assert (person.setup.member.is_erased, person.mirrored) == (True, None)
    lines = person.setup.journal.lines[known:]
    assert len(lines) == 3
    assert all("body" not in line and line["erased"] for line in lines)
    assert ADDRESS not in person.journal_since(known)


def test_joined_again(person: Person) -> None:
    """She is a member again: what is told from then on is taken, mirrored and journaled."""
    person.tell("customer.joined.paid_tier", NOW)
    assert not person.setup.member.is_erased
    person.tell(UPDATED, NOW + DAY)
    assert person.mirrored == ADDRESS
    assert ADDRESS in person.journal_since(-1)


def test_a_webhook_that_erases_is_a_line_of_its_own(person: Person) -> None:
    """Its body is not kept; since when the person is erased is, so that the journal alone can erase again. Twice, likewise."""
    person.setup.members.records.clear()
    text, header = person.message(UPDATED, NOW, anonymized=True)
    for _ in range(2):
        known = len(person.setup.journal.lines)
        person.handle(UPDATED, text, header)
        event, action = person.setup.journal.lines[known:]
        assert (event["kind"], event["erased"], "body" in event) == ("event", True, False)
        assert (action["action"], action["customer"], action["at"]) == (
            "erased",
            "1",
            "2025-07-01T12:00:00.000Z",
        )
