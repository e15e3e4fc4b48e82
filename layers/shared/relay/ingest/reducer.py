"""What a batch's events of one member make of its record: merge, decide, remember. Pure.

An event that the record remembers is a repeat and decides nothing. One from the future is not believed.
Every other is merged, and its rule asked, in the order of event time. Where the record, after all of them,
may be wrong in a way in which it was not before, a second look is asked for: here and not in the 15 rules.
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

TellFacts: TypeAlias = Callable[[E], Facts]
Decide: TypeAlias = Callable[[E, Member, Member, Rules], Iterable[Effect]]


@dataclass(frozen=True, slots=True)
class TopicRule(Generic[E]):
    """One topic's business: the event it reads, what that tells of the member, and what follows."""

    model: type[E]
    facts: TellFacts[E]
    decide: Decide[E]


@dataclass(frozen=True, slots=True)
class ReceivedEvent(Generic[E]):
    """An event that arrived, with the message and the delivery that brought it."""

    message_id: str
    delivery: Delivery
    event: E

    @property
    def at(self) -> datetime:
        """When it happened; when it was received, if it tells no time."""
        return self.event.occurred_at or self.delivery.received_at


@dataclass(frozen=True, slots=True)
class EventResult(Generic[E]):
    """What became of one arrival. `error` is set where its rule broke: a defect of ours."""

    arrival: ReceivedEvent[E]
    verdict: JournalOutcome
    effects: tuple[str, ...] = ()
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Reduction(Generic[E]):
    """The record after a member's arrivals. `outbox` is None where there is nothing to write."""

    record: MemberRecord
    outbox: Outbox | None
    judged: tuple[EventResult[E], ...]


def reduce_events(
    record: MemberRecord, arrivals: Sequence[ReceivedEvent[E]], rule: TopicRule[E], rules: Rules
) -> Reduction[E]:
    """Take all arrivals of one member into its record."""
    now, judged, events = record, list[EventResult[E]](), list[EventEffects]()
    for arrival in sorted(arrivals, key=lambda arrival: (arrival.at, arrival.delivery.event_id)):
        try:
            now, verdict, event_effects = _take(now, arrival, rule, rules)
        except Exception as error:  # noqa: BLE001 - a rule that breaks costs its own event only
            judged.append(EventResult(arrival, "dead", error=error))
            continue
        judged.append(EventResult(arrival, verdict, _ids(event_effects)))
        if event_effects:
            events.append(event_effects)
    _look_again(record.member, now.member, events, judged)
    if now is record and not events:
        return Reduction(record, None, tuple(judged))
    outbox = Outbox(
        member=now.member.key,
        changed=differs(record.member, now.member),
        events=tuple(event_effects for event_effects in events if event_effects.effects),
        # A time from the future is not believed here either.
        heard_at=max(min(arrival.at, arrival.delivery.received_at) for arrival in arrivals),
    )
    return Reduction(now, outbox, tuple(judged))


def _ids(event_effects: EventEffects | None) -> tuple[str, ...]:
    return (
        tuple(effect_id(event_effects.event_id, effect) for effect in event_effects.effects)
        if event_effects
        else ()
    )


def _look_again(
    before: Member, after: Member, events: list[EventEffects], judged: list[EventResult[E]]
) -> None:
    """Let the latest event that was taken in ask for a look at the doubts that are new."""
    asked = tuple(new_rechecks(before, after))
    if not asked:
        return
    last = replace(events[-1], effects=(*events[-1].effects, *asked))
    events[-1] = last
    for place, each in enumerate(judged):
        if each.arrival.delivery.event_id == last.event_id and each.verdict != "repeat":
            judged[place] = replace(each, effects=_ids(last))


def _take(
    record: MemberRecord, arrival: ReceivedEvent[E], rule: TopicRule[E], rules: Rules
) -> tuple[MemberRecord, JournalOutcome, EventEffects | None]:
    delivery = arrival.delivery
    if delivery.event_id in record.seen and not delivery.replay:
        return record, "repeat", None
    if arrival.at > delivery.received_at + FUTURE:
        # It is not merged, and not remembered either: delivered again later, it may be believed. But it
        # tells that something happened to the member, so the API is asked what.
        return record, "ignored", _happening(arrival, rule, (recheck(FROM_THE_FUTURE),))
    before = record.member
    facts = rule.facts(arrival.event).dated(delivery.received_at)
    after = merge(before, facts)
    effects = tuple(apply_settings(rule.decide(arrival.event, before, after, rules), rules))
    stale = bool(facts.values) and not after.fields_from(facts.event_id)
    seen = (*(known for known in record.seen if known != delivery.event_id), delivery.event_id)[-REMEMBERED:]
    event_effects = _happening(arrival, rule, effects)
    return replace(record, member=after, seen=seen), "stale" if stale else "applied", event_effects


def _happening(arrival: ReceivedEvent[E], rule: TopicRule[E], effects: tuple[Effect, ...]) -> EventEffects:
    delivery = arrival.delivery
    topic = delivery.topic or rule.model.TOPIC
    return EventEffects(event_id=delivery.event_id, topic=topic, at=arrival.at, effects=effects)


def differs(before: Member, after: Member) -> bool:
    """Tell whether a write tells anybody anything: other values, and not merely newer ones."""
    if any(before.value(name) != after.value(name) for name in FIELDS) or before.lots != after.lots:
        return True
    return (before.recovered_at, before.rejoin_times) != (after.recovered_at, after.rejoin_times)
