"""Reduces a batch's events of one member to its new record and their effects: merge, decide, remember. Pure.

Events are taken in the order of event time; each is merged and its topic's rule decides the effects. An event
that the record remembers is a repeat and has no effects; its values are merged all the same, so that a wrong guess
about identity costs no fact. Where the record is inconsistent afterwards in a way in which it was not before, or
the event has no possible time of its own, a recheck is requested: here, and not in the 15 rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Generic, TypeAlias, TypeVar

from inveterate.webhooks.account import Updated
from inveterate.webhooks.base import Event
from inveterate.webhooks.cancellations import PendingCancellation
from inveterate.webhooks.payments import BillingAttemptFailed, PaymentFailed

from relay.model.consistency import (
    EVIDENCE,
    OTHER_TIER,
    RETRIED,
    TIED,
    UNDATED,
    inconsistencies,
    new_rechecks,
    recheck,
)
from relay.model.delivery import Delivery
from relay.model.effects import Effect, Recheck, effect_id
from relay.model.facts import Facts
from relay.model.fields import EVIDENCE_FIELDS, FIELDS, NOT_SHOWN, OF_THE_CHAIN
from relay.model.journal import JournalOutcome
from relay.model.member import Member, merge, without_event
from relay.model.messages import EventEffects, Outbox
from relay.model.milestones import tier_key
from relay.ports.members import MemberRecord
from relay.rules.catalog import apply_settings
from relay.rules.settings import Rules

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
    """An event with the message and the delivery that brought it. `replayed` marks one from the journal: it is decided again."""

    message_id: str
    delivery: Delivery
    event: E
    replayed: bool = False

    @property
    def at(self) -> datetime:
        """When it happened; when it was received, if it has no time."""
        return self.event.occurred_at or self.delivery.received_at


@dataclass(frozen=True, slots=True)
class EventResult(Generic[E]):
    """The outcome of one received event, with the ids of its effects. `error` is set where its rule failed: a defect.

    `member_erased` says that the member is erased after the event: the journal then keeps nothing that it says.
    `erased_at` is set where the event itself is the erasure.
    """

    received: ReceivedEvent[E]
    outcome: JournalOutcome
    effects: tuple[str, ...] = ()
    error: Exception | None = None
    member_erased: bool = False
    erased_at: datetime | None = None


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
        results.append(
            EventResult(
                each,
                outcome,
                _ids(event_effects),
                member_erased=current.member.is_erased,
                erased_at=_erased_by(each.delivery.event_id, current.member),
            )
        )
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
        # A clock may be minutes ahead of the receipt.
        newest_webhook_at=max(min(each.at, each.delivery.received_at) for each in received),
    )
    return Reduction(current, outbox, tuple(results))


def _erased_by(event_id: str, member: Member) -> datetime | None:
    """Return since when a member is erased, where this event says so."""
    register = member.registers.get("erased_at")
    is_its_own = member.is_erased and register is not None and register.event_id == event_id
    return member.moment("erased_at") if is_its_own else None


def _ids(event_effects: EventEffects | None) -> tuple[str, ...]:
    if event_effects is None:
        return ()
    return tuple(effect_id(event_effects.event_id, effect) for effect in event_effects.effects)


def _apply_event(
    record: MemberRecord, received: ReceivedEvent[E], rule: TopicRule[E], rules: Rules
) -> tuple[MemberRecord, JournalOutcome, EventEffects | None]:
    delivery, before = received.delivery, record.member
    facts = rule.facts(received.event).dated(delivery.received_at)
    is_repeat = delivery.event_id in record.seen or _is_forgotten(record, facts)
    if received.replayed:
        return _replay(record, received, rule, rules, facts)
    if is_repeat and _is_dated_by_delivery(received.event):
        return record, "repeat", None
    if is_repeat:
        # What a record counts is added once; a value may differ, where two events were taken for one.
        after = merge(before, replace(facts, lot=None, balances=None, milestone=None))
        if after == before:
            return record, "repeat", None
        return replace(record, member=after), "repeat", _effects_of(received, rule, ())
    after = merge(before, facts)
    effects = (
        *apply_settings(rule.decide(received.event, before, after, rules), rules),
        *_doubts(received.event, facts, before, after),
        *map(recheck, received.event.doubts),
    )
    stale = bool(facts.values) and not after.fields_from(facts.event_id)
    seen = (*record.seen, delivery.event_id)[-REMEMBERED:]
    event_effects = _effects_of(received, rule, effects)
    return replace(record, member=after, seen=seen), "stale" if stale else "applied", event_effects


def _is_forgotten(record: MemberRecord, facts: Facts) -> bool:
    """Return whether a record that may have forgotten this failure's id has its milestone already.

    A failure is told by two topics, and noted and counted by whichever came first: its repeat would have effects with ids
    of its own. Of all else the effects have the ids of the first time, and two payments that are alike may be two.
    """
    milestone = facts.milestone
    if milestone is None or milestone.kind != "failed" or len(record.seen) < REMEMBERED:
        return False
    return milestone.stamped(facts.stamp) in record.member.milestones


def _is_dated_by_delivery(event: Event) -> bool:
    """Return whether the delivery alone dates the event: its receipt, or the time of triggering that a retry renews.

    Its id stands for its whole payload, so a repeat says the same once more, and would say it as of now: a failure that
    was paid since would be open again. Of a snapshot the same words can be another change: it is merged.
    """
    if isinstance(event, Updated) or event.own_time:
        return False
    return event.is_retry or event.triggered_at is None


def _replay(
    record: MemberRecord, received: ReceivedEvent[E], rule: TopicRule[E], rules: Rules, facts: Facts
) -> tuple[MemberRecord, JournalOutcome, EventEffects]:
    """Decide an event once more, as if the record did not have it yet; the record itself takes its facts as of any repeat.

    The ids of the effects are those of the first time: who has had one of them drops it.
    """
    known = received.delivery.event_id in record.seen
    counted = facts if not known else replace(facts, lot=None, balances=None, milestone=None)
    says_nothing_new = known and _is_dated_by_delivery(received.event)
    member = record.member if says_nothing_new else merge(record.member, counted)
    before = without_event(member, facts)
    after = merge(before, facts)
    effects = (
        *apply_settings(rule.decide(received.event, before, after, rules), rules),
        *_doubts(received.event, facts, before, after),
        *map(recheck, received.event.doubts),
    )
    seen = record.seen if known else (*record.seen, received.delivery.event_id)[-REMEMBERED:]
    return replace(record, member=member, seen=seen), "repeat", _effects_of(received, rule, effects)


def _doubts(event: Event, facts: Facts, before: Member, after: Member) -> Iterator[Recheck]:
    """Yield the rechecks of what no record shows: only its receipt dates the event, a tie decides, a retry tells other values.

    An announced end and a failure of another tier than the member's stand as the member's own: the platform's own example of
    the one names another tier than its example of a joining. What it means for the member is looked up. A retry is dated by a lower bound. What it says may be newer than what stands, and may be older.
    """
    if not event.is_dated:
        yield recheck(UNDATED)
    if any(_is_tied(before, name, facts) for name in facts.values):
        yield recheck(TIED)
    named, known = tier_key(_billed_tier(event)), after.tier_before(facts.stamp.number)
    if named and known and named != known:
        yield recheck(OTHER_TIER)
    if event.is_retry and isinstance(event, Updated):
        evidence = {name: value for name, value in facts.values.items() if name in EVIDENCE_FIELDS}
        told = merge(after, replace(facts, at=event.triggered_at or facts.at, values=evidence))
        profile = facts.values.items() - evidence.items()
        if any(after.value(name) != value for name, value in profile) or EVIDENCE in inconsistencies(told):
            yield recheck(RETRIED)


def _is_tied(before: Member, name: str, facts: Facts) -> bool:
    """Return whether another event of the same moment and rank says otherwise: only their ids decide. Of credit the chain does."""
    known, value = before.registers.get(name), facts.values[name]
    if known is None or known.event_id == facts.event_id or name in OF_THE_CHAIN:
        return False
    return known.stamp.number == facts.stamp.number and known.value != value


def _billed_tier(event: Event) -> str | None:
    """Return the tier of an announced end, or of a failed fee, where the event names one."""
    match event:
        case PendingCancellation():
            request = event.detail.cancel_request
            return request.billing_tier_id if request else None
        case BillingAttemptFailed() | PaymentFailed():
            return event.detail.billing_tier_id
        case _:
            return None


def _effects_of(received: ReceivedEvent[E], rule: TopicRule[E], effects: tuple[Effect, ...]) -> EventEffects:
    delivery = received.delivery
    topic = delivery.topic or rule.model.TOPIC
    return EventEffects(event_id=delivery.event_id, topic=topic, at=received.at, effects=effects)


def differs(before: Member, after: Member) -> bool:
    """Return whether a CRM shows the difference: values differ, and not only their stamps; or a date to come has passed."""
    return any(part(before) != part(after) for part in _SHOWN)


_SHOWN: Final[tuple[Callable[[Member], object], ...]] = (
    lambda member: [member.value(name) for name in FIELDS if name not in NOT_SHOWN],
    lambda member: member.lots,
    lambda member: (
        member.status,
        member.payment_status,
        member.ended_at,
        member.recovered_at,
        member.rejoin_times,
    ),
    lambda member: member.past,
)
