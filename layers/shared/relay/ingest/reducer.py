"""Reduces a batch's events of one member to its new record and their effects: merge, decide, remember. Pure.

Events are taken in the order of event time; each is merged and its topic's rule decides the effects. An event
that the record remembers is a repeat and has no effects; its values are merged all the same, so that a wrong guess
about identity costs no fact. An event from the future is not merged. Where the record is inconsistent afterwards
in a way in which it was not before, a recheck is requested: here, and not in the 15 rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Generic, TypeAlias, TypeVar

from inveterate.webhooks.base import Event

from relay.model.consistency import FROM_THE_FUTURE, new_rechecks, recheck
from relay.model.delivery import Delivery
from relay.model.effects import Effect, effect_id
from relay.model.facts import Facts
from relay.model.fields import FIELDS
from relay.model.journal import JournalOutcome
from relay.model.member import Member, merge
from relay.model.messages import EventEffects, Outbox
from relay.ports.members import MemberRecord
from relay.rules.catalog import apply_settings
from relay.rules.settings import Rules

FUTURE: Final = timedelta(minutes=10)
"""How far an event's time may lie after its receipt: clocks differ by seconds, not more."""

REMEMBERED: Final = 19
"""Event ids that a record remembers: redeliveries come within minutes, and a member has few events a day."""

E = TypeVar("E", bound=Event)

ReadFacts: TypeAlias = Callable[[E], Facts]
Decide: TypeAlias = Callable[[E, Member, Member, Rules], Iterable[Effect]]


@dataclass(frozen=True, slots=True)
class TopicRule(Generic[E]):
    """One topic's business: the event that it reads, the facts in it, and the effects that follow."""

    model: type[E]
    facts: ReadFacts[E]
    decide: Decide[E]


@dataclass(frozen=True, slots=True)
class ReceivedEvent(Generic[E]):
    """An event with the message and the delivery that brought it."""

    message_id: str
    delivery: Delivery
    event: E

    @property
    def at(self) -> datetime:
        """When it happened; when it was received, if it has no time."""
        return self.event.occurred_at or self.delivery.received_at


@dataclass(frozen=True, slots=True)
class EventResult(Generic[E]):
    """The outcome of one received event, with the ids of its effects. `error` is set where its rule failed: a defect."""

    received: ReceivedEvent[E]
    outcome: JournalOutcome
    effects: tuple[str, ...] = ()
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Reduction(Generic[E]):
    """A member's record after its events, and their results. `outbox` is None where there is nothing to write."""

    record: MemberRecord
    outbox: Outbox | None
    results: tuple[EventResult[E], ...]


def reduce_events(
    record: MemberRecord, received: Sequence[ReceivedEvent[E]], rule: TopicRule[E], rules: Rules
) -> Reduction[E]:
    """Merge all received events of one member into its record, and decide their effects."""
    current, results = record, list[EventResult[E]]()
    events: dict[int, EventEffects] = {}
    for index, each in enumerate(sorted(received, key=lambda each: (each.at, each.delivery.event_id))):
        try:
            current, outcome, event_effects = _apply_event(current, each, rule, rules)
        except Exception as error:  # noqa: BLE001 - a rule that fails costs its own event only
            results.append(EventResult(each, "dead", error=error))
            continue
        results.append(EventResult(each, outcome, _ids(event_effects)))
        if event_effects:
            events[index] = event_effects
    if requests := tuple(new_rechecks(record.member, current.member)):
        # They go with the latest event that was merged.
        last = max(events)
        events[last] = replace(events[last], effects=(*events[last].effects, *requests))
        results[last] = replace(results[last], effects=_ids(events[last]))
    if current is record and not events:
        return Reduction(record, None, tuple(results))
    outbox = Outbox(
        member=current.member.key,
        changed=differs(record.member, current.member),
        events=tuple(event_effects for event_effects in events.values() if event_effects.effects),
        # A time from the future is replaced by the receipt.
        newest_webhook_at=max(min(each.at, each.delivery.received_at) for each in received),
    )
    return Reduction(current, outbox, tuple(results))


def _ids(event_effects: EventEffects | None) -> tuple[str, ...]:
    if event_effects is None:
        return ()
    return tuple(effect_id(event_effects.event_id, effect) for effect in event_effects.effects)


def _apply_event(
    record: MemberRecord, received: ReceivedEvent[E], rule: TopicRule[E], rules: Rules
) -> tuple[MemberRecord, JournalOutcome, EventEffects | None]:
    delivery, before = received.delivery, record.member
    is_repeat = delivery.event_id in record.seen
    if received.at > delivery.received_at + FUTURE:
        if is_repeat:
            return record, "repeat", None
        # It is neither merged nor remembered: delivered again later, it may be merged. But it says that something
        # happened to the member, so a recheck reads the API.
        return record, "ignored", _effects_of(received, rule, (recheck(FROM_THE_FUTURE),))
    facts = rule.facts(received.event).dated(delivery.received_at)
    if is_repeat:
        # What a record counts is added once; a value may differ, where two events were taken for one.
        after = merge(before, replace(facts, lot=None, balances=None, milestone=None))
        if after == before:
            return record, "repeat", None
        return replace(record, member=after), "repeat", _effects_of(received, rule, ())
    after = merge(before, facts)
    decided = tuple(apply_settings(rule.decide(received.event, before, after, rules), rules))
    effects = (*decided, *map(recheck, received.event.doubts))
    stale = bool(facts.values) and not after.fields_from(facts.event_id)
    seen = (*record.seen, delivery.event_id)[-REMEMBERED:]
    event_effects = _effects_of(received, rule, effects)
    return replace(record, member=after, seen=seen), "stale" if stale else "applied", event_effects


def _effects_of(received: ReceivedEvent[E], rule: TopicRule[E], effects: tuple[Effect, ...]) -> EventEffects:
    delivery = received.delivery
    topic = delivery.topic or rule.model.TOPIC
    return EventEffects(event_id=delivery.event_id, topic=topic, at=received.at, effects=effects)


def differs(before: Member, after: Member) -> bool:
    """Return whether a CRM shows the difference: values differ, and not only their stamps."""
    if any(before.value(name) != after.value(name) for name in FIELDS) or before.lots != after.lots:
        return True
    return (before.recovered_at, before.rejoin_times) != (after.recovered_at, after.rejoin_times)
