"""What the stream has lost is sent again: from the record's outbox, else from the journal, by the real consumers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from relay.errors import TransientError
from relay.ingest.consumer import Consumer
from relay.model.messages import AlertMessage, MemberChanged, Outbox, load
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.queues.batch import read_message
from relay.recovery.stream_letters import StreamRepair

from tests.support.journal_fakes import FakeArchive
from tests.support.port_fakes import (
    NOW,
    SHOP,
    FakeContext,
    FakeOutgoing,
    FakeTelemetry,
    World,
    queued,
    sample,
)
from tests.support.scheduler_fakes import FakeKpiStore
from tests.support.topic_functions import TOPIC_RULES

TOPIC = "customer.payment_failed"
MINUTE = timedelta(minutes=1)
WINDOW = (NOW, NOW + MINUTE)


@dataclass
class Repair:
    """A table whose stream was never read, its journal, and everything that the fan-out sends to."""

    world: World = field(default_factory=World)
    archive: FakeArchive = field(default_factory=FakeArchive)
    changes: FakeOutgoing = field(default_factory=FakeOutgoing)
    alerts: FakeOutgoing = field(default_factory=FakeOutgoing)
    topics: dict[str, FakeOutgoing] = field(default_factory=dict)
    kpis: FakeKpiStore = field(default_factory=FakeKpiStore)

    def outboxes(self, keys: Iterable[str]) -> Mapping[str, Outbox]:
        """Return the latest outbox of each member."""
        latest = {outbox.member: outbox for outbox in self.world.members.outboxes}
        return {key: latest[key] for key in keys if key in latest}

    def event(self, topic: str, at: datetime, customer: str = "7001", **payload: Any) -> dict[str, Any]:
        """Let an event of a member be handled, and its lines reach the journal."""
        content = sample(topic)
        content["payload"] |= {"customerId": customer, "createdAt": at.isoformat(), **payload}
        content["metadata"]["triggerredAt"] = at.isoformat()
        record = queued(json.dumps(content).encode(), topic=topic, received_at=at)
        known = len(self.world.journal.lines)
        self.consume(topic, record)
        self.archive.deliver(at, *self.world.journal.lines[known:])
        return record

    def consume(self, topic: str, record: Mapping[str, Any]) -> None:
        """Handle one message."""
        answer = Consumer(TOPIC_RULES[topic], self.world.services)({"Records": [record]}, FakeContext())
        assert answer == {"batchItemFailures": []}

    def queue_named(self, name: str) -> MessageSender | None:
        """Return a topic's queue."""
        return self.topics.setdefault(name, FakeOutgoing())

    def run(self, window: tuple[datetime, datetime] = WINDOW) -> int:
        """Fan out again."""
        return StreamRepair(
            shop=SHOP,
            archive=self.archive,
            outboxes=self,
            changes=self.changes,
            alerts=self.alerts,
            queue_named=self.queue_named,
            telemetry=FakeTelemetry(),
            clock=lambda: NOW + timedelta(days=1),
            kpis=self.kpis,
        ).fan_out_again(window)

    def alerted(self) -> list[str]:
        """Return the ids of the alerts that were sent."""
        return [load(AlertMessage, message.body).id for message in self.alerts.sent]

    def changed(self) -> set[str]:
        """Return the members that were sent to the CRMs."""
        return {load(MemberChanged, message.body).member for message in self.changes.sent}


def as_record(message: OutgoingMessage) -> dict[str, Any]:
    """Return a message as Lambda hands it to the topic's function."""
    return {
        "messageId": "m",
        "receiptHandle": "r",
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(NOW.timestamp() * 1000))},
        "messageAttributes": {name: {"stringValue": text} for name, text in message.attributes.items()},
    }


def test_what_the_outbox_still_has() -> None:
    """Its alert and its change are sent as the fan-out would have sent them; nothing is replayed."""
    setup = Repair()
    setup.event(TOPIC, NOW)
    assert setup.run() == 1
    [outbox] = setup.world.members.outboxes
    [event] = outbox.events
    assert setup.alerted() == [f"{event.event_id}.dunning.failed"]
    assert setup.changed() == {f"{SHOP}:7001"}
    assert setup.kpis.kept
    assert not setup.topics


def test_what_a_later_write_has_taken_from_the_outbox() -> None:
    """The event is replayed into its topic's queue, and its effects come out under the ids of the first time."""
    setup = Repair()
    setup.event(TOPIC, NOW)
    setup.event("customer.ordered", NOW + timedelta(hours=2))
    first, second = setup.world.members.outboxes
    assert setup.run() == 1
    [message] = setup.topics["payment_failed"].sent
    assert message.header.replays == 1
    assert not setup.alerted(), "the later write's outbox has no alert"
    received = read_message(as_record(message))
    assert (received.received_at, received.waiting_since) == (NOW, NOW)
    setup.consume(TOPIC, as_record(message))
    again = setup.world.members.outboxes[-1]
    ids = [effect.rule for event in first.events for effect in event.effects]
    assert [effect.rule for event in again.events for effect in event.effects] == ids
    assert [event.event_id for event in again.events] == [event.event_id for event in first.events]
    assert second.member in setup.changed()


def test_the_time_alone_chooses() -> None:
    """Members that were written an hour before or after are left alone, and a file that came late counts by its lines' time."""
    setup = Repair()
    for customer, minutes in (("7001", -60), ("7002", 0), ("7003", 60)):
        setup.event(TOPIC, NOW + minutes * MINUTE, customer)
    assert setup.run() == 1
    assert setup.changed() == {f"{SHOP}:7002"}


def test_a_window_across_midnight() -> None:
    """The files of both days are read."""
    setup = Repair()
    midnight = NOW.replace(hour=0) + timedelta(days=1)
    setup.event(TOPIC, midnight - MINUTE, "7001")
    setup.event(TOPIC, midnight + MINUTE, "7002")
    assert setup.run((midnight - MINUTE, midnight + MINUTE)) == 2


def test_a_reading_and_an_erasure_are_writes() -> None:
    """They name a member, which is sent to the CRMs; there is no event to replay. An erased event's body is gone."""
    setup = Repair()
    line = {"kind": "event", "id": "a" * 32, "topic": TOPIC, "outcome": "applied", "customer": "7003"}
    setup.archive.deliver(
        NOW,
        {"kind": "reading", "id": "r", "customer": "7001"},
        {"kind": "action", "action": "erased", "id": "e", "customer": "7002"},
        {**line, "received_at": NOW.isoformat(), "erased": True},
        {"kind": "event", "id": "b" * 32, "outcome": "dead", "customer": "7004", "topic": TOPIC},
        {"kind": "event", "id": "c" * 32, "outcome": "unclaimed", "topic": "customer.new"},
    )
    assert setup.run() == 3
    assert setup.changed() == {f"{SHOP}:{customer}" for customer in ("7001", "7002", "7003")}
    assert not setup.topics


def test_an_empty_window() -> None:
    """No member; the letter's keeper is told so."""
    assert Repair().run() == 0


@pytest.mark.parametrize("what", ["alerts", "changes"])
def test_what_is_not_taken_keeps_the_letter(what: str) -> None:
    """An error is raised, and all of it is sent again."""
    setup = Repair()
    setup.event(TOPIC, NOW)
    getattr(setup, what).refuse = {0}
    with pytest.raises((TransientError, ConnectionError)):
        setup.run()
