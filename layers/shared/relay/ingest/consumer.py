"""Handles a batch of one topic's events: read, load, merge, decide, write, journal, acknowledge.

Every topic's function is this consumer with three parts of the topic's own: the event that it reads, the facts in it
(`facts`), and the effects that follow (`decide`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic

from inveterate.webhooks.base import UnreadableEventError, read_json
from inveterate.webhooks.topics import topic_named

from relay.errors import PermanentError, TransientError
from relay.ingest.receive import is_of_shop, is_probe
from relay.ingest.reducer import E, EventResult, ReceivedEvent, Reduction, TopicRule, reduce_events
from relay.model import journal, metrics
from relay.model.delivery import Delivery, unpack
from relay.model.member import member_key
from relay.ports.members import MemberRecord, MemberStore, load_each
from relay.ports.messaging import Journal, MessageSender, OutgoingMessage
from relay.ports.optimistic import retry_conflicts
from relay.ports.runtime import Telemetry
from relay.queues.batch import RESERVE_MS, Batch, Context, Message, Results
from relay.rules.settings import Rules
from relay.topics import FOLDERS, TEST_TOPIC


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerServices:
    """The ports of a consumer, and the shop whose events it takes. `topics` are the topics' queues by folder."""

    shop: str
    batch: Batch
    members: MemberStore
    journal: Journal
    telemetry: Telemetry
    topics: Mapping[str, MessageSender] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Consumer(Generic[E]):
    """A topic's Lambda handler: call it with Lambda's SQS event."""

    rule: TopicRule[E]
    services: Callable[[], ConsumerServices]

    def __call__(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Handle a batch; return Lambda's partial response, which names the messages to return to the queue."""
        services = self.services()

        def work(messages: Sequence[Message], context: Context) -> Results:
            # A batch with suspects is handled in several calls (`queues/batch.py`). State kept between them would journal
            # and count the messages of the first call again in each later one.
            return _ConsumerRun(self.rule, services).work(messages, context)

        return services.batch.run(event, context, work)


@dataclass(frozen=True, slots=True)
class _ConsumerRun(Generic[E]):
    """The handling of some messages of a batch: the results and journal lines of its messages."""

    rule: TopicRule[E]
    services: ConsumerServices
    results: dict[str, Exception | None] = field(default_factory=dict)
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Handle the messages; one without a result was not started."""
        by_member: defaultdict[str, list[ReceivedEvent[E]]] = defaultdict(list)
        for message in messages:
            if received := self._read(message):
                by_member[member_key(self.services.shop, received.event.customer_id)].append(received)
        if by_member:
            self._handle_all(by_member, context)
        self._write_journal()
        return self.results

    def _read(self, message: Message) -> ReceivedEvent[E] | None:
        try:
            delivery = unpack(message.body, message.header)
        except ValueError as error:
            self.results[message.id] = PermanentError("unreadable_message", str(error))
            return None
        try:
            content = read_json(delivery.body)
            if delivery.topic == TEST_TOPIC or is_probe(content):
                self._add_line(message.id, delivery, "probe", body=content)
                return None
            event = self.rule.model.of(content, event_id=delivery.event_id, received_at=delivery.received_at)
        except UnreadableEventError as error:
            topic = topic_named(delivery.topic)
            if topic not in {None, self.rule.model.TOPIC}:
                # Of another topic, it may well be readable.
                self.results[message.id] = self._hand_on(message, topic)
            else:
                self.results[message.id] = PermanentError(error.reason, ", ".join(error.paths))
            return None
        except Exception as error:  # noqa: BLE001 - a defect in reading costs its own event only
            self.results[message.id] = error
            return None
        topic = topic_named(event.metadata.topic)
        if topic != self.rule.model.TOPIC:
            self.results[message.id] = self._hand_on(message, topic)
        elif (message.header.reason or message.header.redrives) and not is_of_shop(
            self.services.shop, event.raw["metadata"].get("shopDomain")
        ):
            # The receiver lets none pass to this queue. A person who moves a message from `unclaimed` by hand may, and so
            # may one who redrives a dead letter of it in the console: that has lost its reason by now.
            self.results[message.id] = PermanentError("other_shop", "metadata.shopDomain")
        else:
            return self._received(message, delivery, event)
        return None

    def _received(self, message: Message, delivery: Delivery, event: E) -> ReceivedEvent[E]:
        if event.drift:
            self.services.telemetry.measure(metrics.SHAPE_DRIFT, len(event.drift))
        return ReceivedEvent(message.id, delivery, event, replayed=bool(message.header.replays))

    def _hand_on(self, message: Message, topic: str | None) -> Exception | None:
        """Send a delivery of another topic to its own queue; return the error, None where that queue took it.

        Only once: a delivery that comes to a wrong queue again circles between two, and goes to the dead letters.
        """
        queue = self.services.topics.get(FOLDERS.get(topic or "", ""))
        if queue is None or message.header.moved:
            return PermanentError("wrong_topic", "metadata.topic")
        header = replace(message.header, topic=topic, moved=message.header.moved + 1)
        (refusal,) = queue.send([OutgoingMessage(body=message.body, header=header)])
        if refusal is None:
            self.services.telemetry.outcome("handed_on", event_id=header.event_id, topic=topic)
        return refusal

    def _handle_all(self, by_member: Mapping[str, list[ReceivedEvent[E]]], context: Context) -> None:
        try:
            loaded = load_each(self.services.members, by_member)
        except TransientError as error:
            everything = (each for received in by_member.values() for each in received)
            self.results.update({each.message_id: error for each in everything})
            return
        for key, received in by_member.items():
            if context.get_remaining_time_in_millis() < RESERVE_MS:
                return
            if key in loaded.errors:
                self.results.update({each.message_id: loaded.errors[key] for each in received})
            else:
                self._handle_member(loaded.records[key], received, loaded.rules)

    def _handle_member(
        self, record: MemberRecord, received: Sequence[ReceivedEvent[E]], rules: Rules
    ) -> None:
        """Commit a member's events: together, or, where that can never work, each by itself."""
        try:
            reduction = self._commit(record, received, rules)
        except TransientError as error:
            self.results.update({each.message_id: error for each in received})
        except Exception as error:  # noqa: BLE001 - what is wrong with one member does not concern the others
            if len(received) == 1:
                self.results[received[0].message_id] = error
                return
            # One of them may be the fault, by its size or a value: the member's other events go on.
            for each in sorted(received, key=lambda each: (each.at, each.delivery.event_id)):
                self._handle_alone(record.member.key, each)
        else:
            for result in reduction.results:
                try:
                    self._conclude(result)
                except Exception as error:  # noqa: BLE001 - what cannot be journaled does not concern the others
                    self.results[result.received.message_id] = error

    def _handle_alone(self, key: str, received: ReceivedEvent[E]) -> None:
        try:
            records, rules = self.services.members.load([key])
        except Exception as error:  # noqa: BLE001 - likewise
            self.results[received.message_id] = error
            return
        self._handle_member(records[key], [received], rules)

    def _commit(
        self, record: MemberRecord, received: Sequence[ReceivedEvent[E]], rules: Rules
    ) -> Reduction[E]:
        """Write the record after these events: the commit. Nothing before it has an effect."""
        key = record.member.key

        def write(known: tuple[MemberRecord, Rules]) -> Reduction[E]:
            reduction = reduce_events(known[0], received, self.rule, known[1])
            if reduction.outbox is not None:
                self.services.members.save(reduction.record, reduction.outbox)
            return reduction

        def read() -> tuple[MemberRecord, Rules]:
            records, rules = self.services.members.load([key])
            return records[key], rules

        return retry_conflicts((record, rules), write, read, what="the member")

    def _conclude(self, result: EventResult[E]) -> None:
        received = result.received
        if result.error:
            self.results[received.message_id] = result.error
            return
        line = journal.event_line(
            received.delivery,
            shop=self.services.shop,
            outcome=result.outcome,
            customer=received.event.customer_id,
            at=received.at,
            effects=result.effects,
            body=received.event.raw,
        )
        self.lines.append((received.message_id, journal.without_body(line) if result.member_erased else line))
        if result.erased_at:
            self.lines.append((received.message_id, self._erasure_line(result, result.erased_at)))

    def _erasure_line(self, result: EventResult[E], erased_at: datetime) -> dict[str, Any]:
        """Return the line that says since when the member is erased: with it the journal alone can erase again."""
        delivery = result.received.delivery
        return journal.action_line(
            "erased",
            f"{delivery.event_id}.erased",
            topic=delivery.topic or self.rule.model.TOPIC,
            shop=self.services.shop,
            outcome="applied",
            received_at=delivery.received_at,
            customer=result.received.event.customer_id,
            at=erased_at,
            body={"by": "webhook"},
        )

    def _add_line(
        self, message_id: str, delivery: Delivery, outcome: journal.JournalOutcome, **columns: Any
    ) -> None:
        line = journal.event_line(delivery, shop=self.services.shop, outcome=outcome, **columns)
        self.lines.append((message_id, line))

    def _age(self, line: Mapping[str, Any]) -> float:
        """Return how many seconds ago the event of a journal line was received."""
        received_at = datetime.fromisoformat(line["received_at"])
        return round((self.services.batch.clock() - received_at).total_seconds(), 1)

    def _write_journal(self) -> None:
        """Journal before acknowledging: an event is always in a queue or in the journal."""
        refusals = self.services.journal.write([line for _, line in self.lines]) if self.lines else []
        for (message_id, line), refusal in zip(self.lines, refusals, strict=True):
            self.results[message_id] = self.results.get(message_id) or refusal
            if refusal is None and line["kind"] == "event":
                self.services.telemetry.outcome(
                    line["outcome"],
                    event_id=line["id"],
                    topic=line.get("topic"),
                    effects=line["effects"],
                    age=self._age(line),
                )
