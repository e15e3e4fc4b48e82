"""Fakes of the ports in memory, shared by all tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inveterate.webhooks.identity import raw_id
from relay.errors import ConflictError, PermanentError, TransientError
from relay.ingest.consumer import ConsumerServices
from relay.model.delivery import Delivery, pack
from relay.model.member import Member
from relay.model.messages import Outbox
from relay.model.metrics import Metric, Outcome
from relay.ports.members import MemberRecord
from relay.ports.messaging import OutgoingMessage
from relay.queues.batch import Batch, Message
from relay.rules.measures import Measures
from relay.rules.settings import Rules

from tests.support.aws.sqs import complaint

ROOT = Path(__file__).parents[2]
SHOP = "inveterate.myshopify.com"
NOW = datetime(2025, 7, 1, 12, 0, tzinfo=UTC)


def sample(topic: str) -> dict[str, Any]:
    """Return the documented sample of a topic."""
    content: dict[str, Any] = json.loads((ROOT / "events" / f"{topic}.json").read_bytes())
    return content


@dataclass
class FakeContext:
    """A Lambda context with this much time left."""

    millis: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        """Return how much time is left."""
        return self.millis


@dataclass
class FakeMembers:
    """A members table in memory. `before_save` runs once, before the next save."""

    records: dict[str, MemberRecord] = field(default_factory=dict)
    outboxes: list[Outbox] = field(default_factory=list)
    rules: Rules = field(default_factory=Rules)
    failure: Exception | None = None
    before_save: list[Any] = field(default_factory=list)

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        """Return what is there, or empty records."""
        if self.failure:
            raise self.failure
        return {key: self.records.get(key, empty(key)) for key in keys}, self.rules

    def store_measures(self, measures: Measures) -> None:
        """Keep the measures with the rules."""
        self.rules = self.rules.model_copy(update={"measures": measures})

    def save(self, record: MemberRecord, outbox: Outbox) -> None:
        """Keep the record if its version is still the one that was read."""
        if self.before_save:
            self.before_save.pop(0)()
        key = record.member.key
        if self.records.get(key, empty(key)).version != record.version:
            raise ConflictError("written in between")
        self.records[key] = replace(record, version=record.version + 1)
        self.outboxes.append(outbox)


def empty(key: str) -> MemberRecord:
    """Return the record of a member without any event."""
    shop, _, customer_id = key.rpartition(":")
    return MemberRecord(member=Member(shop=shop, customer_id=customer_id))


@dataclass
class FakeJournal:
    """A journal in memory; `failure` refuses every line."""

    lines: list[Mapping[str, Any]] = field(default_factory=list)
    failure: Exception | None = None

    def write(self, lines: Sequence[Mapping[str, Any]]) -> Sequence[Exception | None]:
        """Keep the lines."""
        if self.failure:
            return [self.failure] * len(lines)
        self.lines += lines
        return [None] * len(lines)


@dataclass
class FakeOutgoing:
    """A queue or topic in memory; `refuse` holds the positions (over all sends) that are not taken.

    What SQS would refuse for good is refused here as the adapter says it.
    """

    sent: list[OutgoingMessage] = field(default_factory=list)
    refuse: set[int] = field(default_factory=set)
    asked: int = 0

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Take all but the refused."""
        answers: list[Exception | None] = []
        for message in messages:
            answer: Exception | None = ConnectionError("refused") if self.asked in self.refuse else None
            if code := complaint(as_entry(message)):
                answer = PermanentError("refused_by_service", code)
            self.asked += 1
            answers.append(answer)
            if answer is None:
                self.sent.append(message)
        return answers


def as_entry(message: OutgoingMessage) -> Mapping[str, Any]:
    """Return a message as SQS gets it."""
    values = {name: {"DataType": "String", "StringValue": text} for name, text in message.attributes.items()}
    return {"MessageBody": message.body, "MessageAttributes": values, "DelaySeconds": message.delay}


@dataclass
class FakeSource(FakeOutgoing):
    """The queue that a function reads; `keeps` holds the ids that are not deleted."""

    name: str = "source"
    deleted: list[str] = field(default_factory=list)
    keeps: set[str] = field(default_factory=set)

    def defer(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Take delayed copies."""
        return self.send(messages)

    def delete(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        """Remember what was acknowledged early."""
        self.deleted += [message.id for message in messages if message.id not in self.keeps]
        return [TransientError("not deleted") if message.id in self.keeps else None for message in messages]


@dataclass
class FakeTelemetry:
    """Remembers outcomes and measured values."""

    outcomes: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    measured: list[tuple[str, float]] = field(default_factory=list)

    def outcome(self, outcome: Outcome, *, event_id: str | None, topic: str | None, **about: object) -> None:
        """Remember an outcome."""
        self.outcomes.append((outcome, {"event_id": event_id, "topic": topic, **about}))

    def measure(self, metric: Metric, value: float) -> None:
        """Remember a value by the metric's name."""
        self.measured.append((metric.name, value))


@dataclass
class World:
    """All ports of a consumer, in memory."""

    members: FakeMembers = field(default_factory=FakeMembers)
    journal: FakeJournal = field(default_factory=FakeJournal)
    source: FakeSource = field(default_factory=FakeSource)
    dead_letters: FakeOutgoing = field(default_factory=FakeOutgoing)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    topics: dict[str, FakeOutgoing] = field(default_factory=dict)
    now: datetime = NOW

    def services(self) -> ConsumerServices:
        """Return the ports as a consumer takes them."""
        return ConsumerServices(
            shop=SHOP,
            batch=self.batch(),
            members=self.members,
            journal=self.journal,
            telemetry=self.telemetry,
            topics=self.topics,
        )

    def batch(self) -> Batch:
        """Return the batch runner of these ports."""

        def log(outcome: Outcome, message: Message, error: Exception) -> None:
            self.telemetry.outcome(outcome, event_id=message.id, topic=None, error=type(error).__name__)

        return Batch(source=self.source, dead_letters=self.dead_letters, clock=lambda: self.now, log=log)


def queued(
    body: bytes | Mapping[str, Any],
    *,
    message_id: str = "m1",
    event_id: str = "",
    topic: str | None = None,
    receives: int = 1,
    received_at: datetime = NOW,
) -> dict[str, Any]:
    """Return one record of Lambda's SQS event, for a delivery as the receiver queues it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = body["metadata"]["topic"] if topic is None and not isinstance(body, bytes) else topic
    text, header = pack(
        Delivery(event_id=event_id or raw_id(raw), body=raw, received_at=received_at, topic=named)
    )
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": text,
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": str(int(received_at.timestamp() * 1000)),
        },
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"} for name, value in header.attributes.items()
        },
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:source",
    }
