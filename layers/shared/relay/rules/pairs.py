"""Tells what two topics mean together, once, whichever of them comes last: a fee recovered or lost, a member back again.

One event alone tells none of these. So each topic compares the record before its event with the record after it: a
pair that is new is told by the event that completes it, under a key of the pair and dated by it. What is
sent cannot be taken back. Where a third event denies a pair later, the figures are corrected, and a figure of its
own counts what was told too early.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from relay.model.effects import Effects, Kpi, KpiName, Note
from relay.model.member import Member
from relay.model.milestones import KEPT, Milestone, MilestoneKind
from relay.rules.attempts import parted_attempts
from relay.rules.cancellation import ENDINGS, SAME_ENDING, kind_of
from relay.rules.settings import Rules
from relay.rules.timeline import note

PairKind: TypeAlias = Literal["recovered", "lost", "ended", "left_behind", "rejoined"]

_RULES: Final[Mapping[PairKind, str]] = {
    "recovered": "dunning.recovered",
    "lost": "dunning.lost",
    "ended": "dunning.ended",
    "left_behind": "dunning.rejoined",
    "rejoined": "join.again",
}
_COUNTED: Final[Mapping[PairKind, KpiName]] = {
    "recovered": "recovered",
    "lost": "lost",
    "rejoined": "rejoined",
}
_JOININGS: Final[Mapping[str, tuple[str, KpiName]]] = {
    "paid": ("join.paid", "joined_paid"),
    "free": ("join.free", "joined"),
    "trial": ("join.trial", "joined"),
    "lifetime": ("join.lifetime", "joined"),
}
"""By the kind of the tier: the rule of a joining, and the name of its KPI."""

_PREMATURE: Final[Mapping[PairKind, KpiName]] = {
    "recovered": "premature_recovered",
    "lost": "premature_lost",
    "ended": "premature_lost",
    "left_behind": "premature_rejoined",
    "rejoined": "premature_rejoined",
}


SAME_ENTRY: Final = timedelta(hours=24)
"""A tier that is entered twice within this time, with nothing between, is entered once and told twice."""


@dataclass(frozen=True, slots=True)
class _Story:
    """Milestones that mean something together, in order: the first gives the key, the last the time."""

    kind: PairKind
    parts: tuple[Milestone, ...]

    @property
    def first(self) -> Milestone:
        return self.parts[0]

    @property
    def last(self) -> Milestone:
        return self.parts[-1]


def pair_effects(before: Member, after: Member, rules: Rules) -> Effects:
    """Yield the notes and KPIs of the pairs that an event completes, and the corrections of those that it denies.

    Joinings and endings are counted here as well: a third event can show that two of them are one, or are two.
    """
    yield from _matter_kpis(before, after)
    yield from _parted(before, after)
    for each in parted_attempts(before, after):
        # A figure alone: its note would start a flow for a fee that is settled.
        key = milestone_key(after, each)
        yield Kpi(
            rule="dunning.attempt",
            name="failed_attempt",
            amount=each.amount,
            currency=each.currency,
            key=key,
            at=each.at,
        )
    for kind in _RULES:
        known = _stories(before, kind)
        new, moved, denied = _compared(known, _stories(after, kind))
        for story in new:
            is_split = any(set(story.parts) & set(each.parts) for each in known) or _was_followed(
                story, before
            )
            key = _split_key(story.first, before, after) if is_split else milestone_key(after, story.first)
            yield from _told(story, after, rules, key)
        for old, story in moved:
            yield from _counted(old, after, withdrawn=True)
            yield from _counted(story, after)
        for story in denied:
            if _is_remembered(story, after):
                yield from _counted(story, after, withdrawn=True)
                # A key of its own: one event may deny two pairs of a kind.
                yield Kpi(rule=_RULES[kind], name=_PREMATURE[kind], key=milestone_key(after, story.first))


def milestone_key(member: Member, milestone: Milestone) -> str:
    """Return the key of what is told of a milestone, whichever event tells it."""
    return _key(member, milestone.number)


def _key(member: Member, *numbers: int) -> str:
    return hashlib.sha256(f"{member.key} {' '.join(map(str, numbers))}".encode()).hexdigest()[:32]


def is_told(before: Member, after: Member, kind: MilestoneKind) -> bool:
    """Return whether an event brings one more joining or ending, and does not tell one again with another value."""
    old, new = _matters(before), _matters(after)
    return _has_more(
        [each for each in old if each.kind == kind], [each for each in new if each.kind == kind], after
    )


def is_new_move(before: Member, after: Member) -> bool:
    """Return whether a move is one more, and not one that is told again at another time. One that the record does not keep is."""
    known = set(before.milestones)
    is_kept = any(each.kind == "moved" and each not in known for each in after.milestones)
    return not is_kept or _has_more(_moves(before), _moves(after), after)


def _has_more(old: Sequence[Milestone], new: Sequence[Milestone], after: Member) -> bool:
    more = sum(1 for each in new if each not in old)
    return more > sum(1 for each in old if each not in new and each in after.milestones)


def _moves(member: Member) -> list[Milestone]:
    """Return the moves that `changed_tier` has told, each once: a move to the tier of the move before is that one again."""
    found: list[Milestone] = []
    last: Milestone | None = None
    for each in member.milestones:
        if each.kind == "moved" and not each.detail:
            if not (last and each.tier and last.tier == each.tier and each.at - last.at <= SAME_ENTRY):
                found.append(each)
            last = each
        elif each.kind in {"joined", "ended"} or (each.kind == "moved" and last and each.tier != last.tier):
            # A move to a free tier is told by two topics, under one tier.
            last = None
    return found


def _matters(member: Member) -> dict[Milestone, tuple[str, KpiName]]:
    """Return the joinings and endings that count, each with its rule and the name of its KPI.

    A trial that is told again with another end is no second joining, nor is a tier that is joined twice within a day, nor is
    an end told by two sources a second one.
    """
    found: dict[Milestone, tuple[str, KpiName]] = {}
    last: Milestone | None = None
    is_parted = False
    for each in member.milestones:
        if each.kind == "joined" and each.detail in _JOININGS:
            if not (last and _is_same_joining(last, each, is_parted=is_parted)):
                found[each] = _JOININGS[each.detail]
            is_parted = False
        elif each.kind == "ended":
            if not (last and _is_same_ending(last, each)):
                found[each] = ENDINGS[kind_of(member, each)]
        else:
            is_parted = is_parted or each.kind in {"moved", "failed"}
            continue
        last = each
    return found


def _is_same_ending(one: Milestone, other: Milestone) -> bool:
    is_other_tier = None not in {one.tier, other.tier} and one.tier != other.tier
    return one.kind == "ended" and other.at - one.at <= SAME_ENDING and not is_other_tier


def _is_same_joining(one: Milestone, other: Milestone, *, is_parted: bool) -> bool:
    """Return whether two joinings are one, told again: of one tier, within a day, with no move and no failed fee between.

    A trial of one tier that goes on is the same trial, however long after.
    """
    is_same = (one.kind, one.detail, one.tier) == (other.kind, other.detail, other.tier)
    is_soon = one.tier is not None and other.at - one.at <= SAME_ENTRY
    return is_same and (one.detail == "trial" or (is_soon and not is_parted))


def _matter_kpis(before: Member, after: Member) -> Iterator[Kpi]:
    """Yield the KPIs of joinings and endings, with the corrections of those that an event makes another matter."""
    old, new = _matters(before), _matters(after)
    for each, (rule, name) in old.items():
        if each in after.milestones and new.get(each) != (rule, name):
            yield Kpi(rule=rule, name=name, key=milestone_key(after, each), at=each.at, withdrawn=True)
    for each, (rule, name) in new.items():
        if old.get(each) != (rule, name):
            yield Kpi(rule=rule, name=name, key=milestone_key(after, each), at=each.at)


def _was_followed(story: _Story, before: Member) -> bool:
    """Return whether the next fee had failed before this one's end was heard of: the two may have been told as one."""
    return any(each.outcome == "next" and story.first in each.failures for each in before.history.cycles)


def _parted(before: Member, after: Member) -> Iterator[Note]:
    """Yield the note of an ending or a joining that was known, and taken for another one until what parts the two came."""
    old, known = _matters(before), set(before.milestones)
    for each, (rule, _) in _matters(after).items():
        if each in old or each not in known or not is_told(before, after, each.kind):
            continue
        if any(one.kind == each.kind and one not in known for one in after.milestones):
            continue  # the event brings one of its own, and notes it
        key = _split_key(each, before, after)
        if each.kind == "ended":
            yield note(rule, "Membership Cancelled", after, key=key, type=kind_of(after, each))
        else:
            again = any(pair.later == each for pair in after.rejoinings)
            yield note(rule, "Membership Joined", after, key=key, again=again)


def _split_key(first: Milestone, before: Member, after: Member) -> str:
    """Return the key of what an event has parted from another matter or pair.

    That one was told under the key of any of its milestones: the first of those that were known then. So the
    event that parts the two is in the key.
    """
    known = set(before.milestones)
    numbers = [first.number, *(each.number for each in after.milestones if each not in known)]
    return _key(after, *numbers)


def _told(story: _Story, after: Member, rules: Rules, key: str) -> Iterator[Note | Kpi]:
    rule = _RULES[story.kind]
    if story.kind == "recovered":
        paid = story.last
        yield note(
            rule,
            "Membership Payment Recovered",
            after,
            key=key,
            amount=paid.amount,
            currency=paid.currency,
            manage_url=rules.manage_url_of(after.customer_id),
        )
    elif story.kind == "rejoined":
        times = len(after.rejoinings) or None
        yield note(rule, "Membership Rejoined", after, key=key, times=times)
    yield from _counted(story, after)


def _counted(story: _Story, after: Member, *, withdrawn: bool = False) -> Iterator[Kpi]:
    """Yield the KPI of a pair, with the fee that was paid, or that stays open."""
    name = _COUNTED.get(story.kind)
    if name:
        known = next((each for each in reversed(story.parts) if each.amount is not None), story.last)
        yield Kpi(
            rule=_RULES[story.kind],
            name=name,
            amount=known.amount,
            currency=known.currency,
            key=milestone_key(after, story.first),
            at=story.last.at,
            withdrawn=withdrawn,
        )


def _stories(member: Member, kind: PairKind) -> list[_Story]:
    if kind == "rejoined":
        return [_Story(kind, (pair.earlier, pair.later)) for pair in member.rejoinings]
    outcome = "rejoined" if kind == "left_behind" else kind
    return [
        _Story(kind, (*cycle.failures, cycle.end))
        for cycle in member.history.cycles
        if cycle.end and cycle.outcome == outcome
    ]


def _compared(
    before: Sequence[_Story], after: Sequence[_Story]
) -> tuple[list[_Story], list[tuple[_Story, _Story]], list[_Story]]:
    """Return the pairs that are new, those that are told and stand elsewhere now, and those that are denied.

    A pair is the same while its first milestone is. Where an older one has come late, it is the one that shares a
    milestone.
    """
    left, unmatched = list(before), list[_Story]()
    moved: list[tuple[_Story, _Story]] = []
    for story in after:
        same = next((each for each in left if each.first == story.first), None)
        if same is None:
            unmatched.append(story)
            continue
        left.remove(same)
        if same.last != story.last:
            moved.append((same, story))
    new = list[_Story]()
    for story in unmatched:
        same = next((each for each in left if set(each.parts) & set(story.parts)), None)
        if same is None:
            new.append(story)
        else:
            left.remove(same)
            moved.append((same, story))
    return new, moved, left


def _is_remembered(story: _Story, after: Member) -> bool:
    """Return whether a pair that is gone was denied, and not only forgotten for its age."""
    oldest = -1
    for kind, kept in KEPT.items():
        known = [each.number for each in after.milestones if each.kind == kind]
        oldest = max(oldest, known[0] if len(known) > kept else -1)
    return story.first.number > oldest
