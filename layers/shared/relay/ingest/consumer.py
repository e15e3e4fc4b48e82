"""The life of a batch of one topic's events: read, load, merge, decide, write, journal, acknowledge.

Every topic's function is this, made with the topic's own three things: the event it reads, what that
tells of the member (`facts`), and what follows from it (`decide`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic

from inveterate.webhooks.base import UnreadableEventError, read_json

from relay.errors import ConflictError, PermanentError, TransientError
from relay.ingest.reducer import (
    E,
    EventResult,
    ReceivedEvent,
    Reduction,
    TopicRule,
    reduce_events,
)
from relay.model import journal, metrics
from relay.model.delivery import Delivery, unpack
from relay.model.member import member_key
from relay.ports.members import MemberRecord, MemberStore
from relay.ports.messaging import Journal
from relay.ports.runtime import Telemetry
from relay.queues.batch import RESERVE_MS, Batch, Context, Message, Results
from relay.rules.settings import Rules
from relay.topics import PROBE_TOPIC

_WRITES: Final = 5
"""How often a member is read and decided anew when somebody else writes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerServices:
    """What a consumer needs of the outside world."""

    shop: str
    batch: Batch
    members: MemberStore
    journal: Journal
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class Consumer(Generic[E]):
    """A topic's Lambda handler: call it with Lambda's SQS event."""

    rule: TopicRule[E]
    services: Callable[[], ConsumerServices]

    def __call__(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Handle a batch; returns the messages that Lambda shall hand out again."""
        services = self.services()

        def work(messages: Sequence[Message], context: Context) -> Results:
            # A batch may be worked through in several calls. State kept between them would journal and count
            # the messages of the first call again in each later one.
            return _Run(self.rule, services).work(messages, context)

        return services.batch.run(event, context, work)


@dataclass(frozen=True, slots=True)
class _Run(Generic[E]):
    """One call of the work: the results and journal lines of its messages."""

    rule: TopicRule[E]
    services: ConsumerServices
    results: dict[str, Exception | None] = field(default_factory=dict)
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Handle the messages; one without an answer was not started."""
        by_member: defaultdict[str, list[ReceivedEvent[E]]] = defaultdict(list)
        for message in messages:
            if arrival := self._read(message):
                by_member[member_key(self.services.shop, arrival.event.customer_id)].append(arrival)
        if by_member:
            self._take_all(by_member, context)
        self._write_journal()
        return self.results

    def _read(self, message: Message) -> ReceivedEvent[E] | None:
        try:
            delivery = unpack(message.body, message.attributes)
        except ValueError as error:
            self.results[message.id] = PermanentError("unreadable_message", str(error))
            return None
        try:
            if delivery.topic == PROBE_TOPIC:
                self._note(message.id, delivery, "probe", body=read_json(delivery.body))
                return None
            event = self.rule.model.read(
                delivery.body, event_id=delivery.event_id, received_at=delivery.received_at
            )
        except UnreadableEventError as error:
            self.results[message.id] = PermanentError(error.reason, ", ".join(error.paths))
            return None
        except Exception as error:  # noqa: BLE001 - a defect in reading costs its own event only
            self.results[message.id] = error
            return None
        if event.drift:
            self.services.telemetry.measure(metrics.SHAPE_DRIFT, len(event.drift))
        return ReceivedEvent(message.id, delivery, event)

    def _take_all(self, by_member: Mapping[str, list[ReceivedEvent[E]]], context: Context) -> None:
        try:
            records, rules = self.services.members.load(by_member)
        except TransientError as error:
            self.results.update(
                {arrival.message_id: error for group in by_member.values() for arrival in group}
            )
            return
        for key, arrivals in by_member.items():
            if context.get_remaining_time_in_millis() < RESERVE_MS:
                return
            try:
                folded = self._commit(records[key], arrivals, rules)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one member is not the others' matter
                self.results.update({arrival.message_id: error for arrival in arrivals})
            else:
                for judged in folded.judged:
                    self._judge(judged)

    def _commit(
        self, record: MemberRecord, arrivals: Sequence[ReceivedEvent[E]], rules: Rules
    ) -> Reduction[E]:
        """Write what the arrivals make of the record: the commit. Nothing before it has an effect."""
        for _ in range(_WRITES):
            folded = reduce_events(record, arrivals, self.rule, rules)
            if folded.outbox is None:
                return folded
            try:
                self.services.members.save(folded.record, folded.outbox)
            except ConflictError:
                records, rules = self.services.members.load([record.member.key])
                record = records[record.member.key]
            else:
                return folded
        raise TransientError("the member is written to by too many at once")

    def _judge(self, judged: EventResult[E]) -> None:
        arrival = judged.arrival
        if judged.error:
            self.results[arrival.message_id] = judged.error
            return
        self._note(
            arrival.message_id,
            arrival.delivery,
            judged.verdict,
            customer=arrival.event.customer_id,
            at=arrival.at,
            effects=judged.effects,
            body=arrival.event.raw,
        )

    def _note(
        self, message_id: str, delivery: Delivery, verdict: journal.JournalOutcome, **columns: Any
    ) -> None:
        line = journal.line(delivery, shop=self.services.shop, outcome=verdict, **columns)
        self.lines.append((message_id, line))

    def _write_journal(self) -> None:
        """Journal before acknowledging: an event is always in a queue or in the journal."""
        refusals = self.services.journal.write([line for _, line in self.lines]) if self.lines else []
        for (message_id, line), refusal in zip(self.lines, refusals, strict=True):
            self.results[message_id] = refusal
            if refusal is None:
                self.services.telemetry.outcome(
                    line["outcome"], event_id=line["id"], topic=line.get("topic"), effects=line["effects"]
                )
