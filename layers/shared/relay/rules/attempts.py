"""Tells which failed attempts are one: the last one is told by two topics, and any may be told again at another time.

The attempts of the record with an event are compared with those without it, so the order takes no part: each attempt is
noted and counted once, by whichever event came first.
"""

from __future__ import annotations

from collections.abc import Iterable

from relay.model.member import Member
from relay.model.milestones import SAME_ATTEMPT, Cycle, Milestone
from relay.model.stamps import HIGHEST_ORDINAL


def new_failure(before: Member, after: Member) -> Milestone | None:
    """Return the failure that an event has added to the record; None where it is older than what the record keeps."""
    known = set(before.milestones)
    return next((each for each in after.milestones if each.kind == "failed" and each not in known), None)


def is_new_attempt(before: Member, after: Member) -> bool:
    """Return whether a failure is an attempt that the other topic has not told: the final failure is attempt 3 as well.

    The attempts of the record with the event are compared with those without it, so the order takes no part: each
    attempt is noted and counted once, by whichever event came first.
    """
    known = set(before.milestones) & set(after.milestones)
    return new_failure(before, after) is None or _attempts(after.milestones) > _attempts(known)


def parted_attempts(before: Member, after: Member) -> list[Milestone]:
    """Return the failures that were taken for an attempt told again, until what settled the fee between the two came.

    A failure that comes late parts none: it is one more itself.
    """
    if new_failure(before, after):
        return []
    again = _told_again(after.milestones)
    return [each for each in _told_again(before.milestones) if each in after.milestones and each not in again]


def _attempts(milestones: Iterable[Milestone]) -> int:
    """Return how many attempts failed: each that was told by its own topic, and the final ones told by that alone."""
    ordered = sorted(milestones, key=lambda each: each.order)
    failures = [each for each in ordered if each.kind == "failed"]
    told = Cycle(tuple(each for each in failures if not each.is_final))
    alone: list[Milestone] = []
    for each in failures:
        again = any(
            each.at - other.at <= SAME_ATTEMPT
            and (each.attempt == other.attempt or None in {each.attempt, other.attempt})
            for other in alone
        )
        if each.is_final and told.counterpart(each) is None and not again:
            alone.append(each)
    return len(told.failures) - len(_told_again(ordered)) + len(alone)


def _told_again(milestones: Iterable[Milestone]) -> list[Milestone]:
    """Return the failures that tell an attempt again, with another time or amount: its number, within 36 h, and nothing settled between.

    The highest number that a stamp holds stands for all above it.
    """
    first: dict[int, Milestone] = {}
    again: list[Milestone] = []
    for each in milestones:
        if each.kind in {"paid", "ended", "joined"}:
            first = {}
        elif each.kind == "failed" and not each.is_final and each.attempt and each.attempt < HIGHEST_ORDINAL:
            if each.at - first.setdefault(each.attempt, each).at > SAME_ATTEMPT:
                first[each.attempt] = each
            again += [each] if first[each.attempt] is not each else []
    return again
