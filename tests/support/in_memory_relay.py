"""A whole Relay in memory: a webhook goes in; notifications to people and the profile of a CRM come out.

The consumers, the fan-out and the notifier are the real ones; tables, queues and channels are fakes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from inveterate.webhooks import identity, model_for
from relay.ingest.consumer import Consumer
from relay.ingest.fanout import alerts_of, fan_out
from relay.model.effects import Effect, Kpi, Note
from relay.model.fields import Value
from relay.model.member import Member, member_key
from relay.model.messages import AlertMessage, MemberChanged, Outbox, dump, load
from relay.ports.alerts import Notification
from relay.rules.crm_profile import crm_profile
from relay.rules.settings import Rules
from relay.scheduler.reminders import Window, reminders

from tests.support.in_memory_notifier import Crash, FakeChannel, InMemoryNotifier
from tests.support.port_fakes import SHOP, FakeContext, FakeOutgoing, World, queued
from tests.support.topic_functions import TOPIC_RULES

Step: TypeAlias = Literal["before the write", "after the write", "in the fan-out", "in the notifier"]
"""Where a process may end: whatever called it then hands out the same again."""


def crash() -> None:
    """End the process here."""
    raise Crash


@dataclass
class Programme:
    """One shop's Relay."""

    rules: Rules = field(default_factory=Rules)
    world: World = field(default_factory=World)
    channel: FakeChannel = field(default_factory=FakeChannel)
    changes: list[MemberChanged] = field(default_factory=list)
    alert_messages: list[AlertMessage] = field(default_factory=list)
    _fanned: int = 0

    def __post_init__(self) -> None:
        """Let all parts see one table, and one set of rules."""
        self.world.members.rules = self.rules
        self.notifier = InMemoryNotifier(channels=[self.channel], shop=SHOP, members=self.world.members)

    def deliver(self, body: bytes, received_at: datetime, *, ends: Step | None = None) -> None:
        """Take a delivery all the way; where a process ends on the way, it is handed out again."""
        delivery = json.loads(body, parse_float=Decimal)
        topic = model_for(delivery["metadata"]["topic"]).TOPIC
        self.world.now = self.notifier.clock.now = received_at
        record = queued(
            body,
            event_id=identity.event_id(topic, SHOP, delivery),
            topic=topic,
            received_at=received_at,
            message_id=f"m{len(self.world.journal.lines)}",
        )
        if ends == "before the write":
            self.world.members.before_save.append(crash)
        if ends == "after the write":
            self._ends_after_the_write(record, topic)
        for _ in range(2):
            try:
                self._consume(record, topic)
            except Crash:
                continue
            break
        self.world.members.before_save.clear()
        self._fan_out(ends)

    def _ends_after_the_write(self, record: Mapping[str, Any], topic: str) -> None:
        failing, self.world.journal.failure = self.world.journal.failure, ConnectionError("gone")
        self._consume(record, topic)
        self.world.journal.failure = failing

    def _consume(self, record: Mapping[str, Any], topic: str) -> None:
        rule = TOPIC_RULES[topic]
        handler = Consumer(rule, self.world.services)
        answer = handler({"Records": [record]}, FakeContext())
        self.refused = answer["batchItemFailures"]

    def _fan_out(self, ends: Step | None) -> None:
        written = self.world.members.outboxes[self._fanned :]
        self._fanned += len(written)
        for _ in range(2 if ends == "in the fan-out" else 1):
            alerts, changes = FakeOutgoing(), FakeOutgoing()
            fan_out([stream_record(outbox) for outbox in written], changes, alerts, self.world.telemetry)
            self.changes += [load(MemberChanged, sent.body) for sent in changes.sent]
            alert_messages = [load(AlertMessage, sent.body) for sent in alerts.sent]
            self.alert_messages += alert_messages
            for alert_message in alert_messages:
                self._alert(alert_message, ends)

    def _alert(self, alert_message: AlertMessage, ends: Step | None) -> None:
        if ends == "in the notifier":
            # Once before each of its writes: it applies the alert, claims the delivery, and records it.
            for place in range(3):
                self.notifier.incidents.before_save[:] = [*[None] * place, Crash()]
                self._receive(alert_message)
        self.notifier.incidents.before_save.clear()
        self._receive(alert_message)

    def _receive(self, alert_message: AlertMessage) -> None:
        try:
            self.notifier.receive(alert_message)
        except Crash:
            self.notifier.clock.advance(120)

    def comes_due(self, begin: datetime, end: datetime) -> None:
        """Send the reminders of all members, as the daily run does."""
        window = Window(begin=begin, end=end, zone=UTC)
        for key, record in self.world.members.records.items():
            due = tuple(reminders(record.member, self.rules, window))
            for sent in alerts_of(Outbox(member=key, changed=False, events=due)):
                self._alert(load(AlertMessage, sent.body), None)

    def member(self, customer_id: str) -> Member:
        """Return a member's record."""
        key = member_key(SHOP, customer_id)
        records, _ = self.world.members.load([key])
        return records[key].member

    def shows(self, customer_id: str) -> Mapping[str, Value]:
        """Return what a CRM would hold of a member."""
        return crm_profile(self.member(customer_id), self.rules).values

    @property
    def kpis(self) -> Iterator[tuple[str, Kpi]]:
        """What was counted, by event."""
        yield from ((event_id, effect) for event_id, effect in self._effects if isinstance(effect, Kpi))

    @property
    def notes(self) -> Iterator[tuple[str, Note]]:
        """What was written to the timeline, each with what its id has: its own key, else its event's."""
        for event_id, effect in self._effects:
            if isinstance(effect, Note):
                yield effect.key or event_id, effect

    @property
    def _effects(self) -> Iterator[tuple[str, Effect]]:
        for outbox in self.world.members.outboxes:
            for event_effects in outbox.events:
                yield from ((event_effects.event_id, effect) for effect in event_effects.effects)

    @property
    def sent(self) -> Sequence[Notification]:
        """The notifications sent to people, in order."""
        return self.channel.notifications

    @property
    def open(self) -> set[str]:
        """The incidents that `relay alerts` would list."""
        return {key for key, incident in self.notifier.incidents.items.items() if incident.is_open}


def stream_record(outbox: Outbox) -> dict[str, Any]:
    """Return a write of the members table as its stream tells it."""
    return {"dynamodb": {"SequenceNumber": "1", "NewImage": {"o": {"S": dump(outbox)}}}}


def day(number: float) -> datetime:
    """Return a moment on that day of a history."""
    return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=number - 1)
