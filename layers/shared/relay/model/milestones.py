"""What happened when, in a few marks: fees paid and failed, endings, joinings. So that returns can be told from firsts.

A recovery is a payment that follows a failure, a return a joining that follows an ending. Neither can be a
register, for what comes before what is known only when all is there. The newest marks of each kind are kept:
a choice of a set that looks at nothing but its members, so that any order and any repetition of events keeps
the same marks. What lies further back is forgotten: a recovery after five more payments, for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from relay.model.fields import from_millis, to_millis

MilestoneKind: TypeAlias = Literal["ended", "failed", "joined", "paid"]

KEPT: Final[dict[MilestoneKind, int]] = {"ended": 6, "failed": 3, "joined": 6, "paid": 6}
"""Marks that a record keeps of each kind: six bytes each are paid for at every write."""

_KINDS: Final[tuple[MilestoneKind, ...]] = ("ended", "failed", "joined", "paid")
"""In the order in which they are numbered in the table: never changed."""

_BYTES: Final = 6
_TIME_BITS: Final = 46


@dataclass(frozen=True, slots=True, order=True)
class Milestone:
    """One mark."""

    at: datetime
    kind: MilestoneKind


Milestones: TypeAlias = tuple[Milestone, ...]
"""In the order of time."""


def add(milestones: Milestones, more: Milestone) -> Milestones:
    """Return the marks with one more."""
    marks = sorted({*milestones, more})
    kept: list[Milestone] = []
    for kind, most in KEPT.items():
        kept += [mark for mark in marks if mark.kind == kind][-most:]
    return tuple(sorted(kept))


def recovered_at(milestones: Milestones) -> datetime | None:
    """Return when a failure was last made good: the newest payment right after a failure."""
    return max((paid_at for _, paid_at in recoveries(milestones)), default=None)


def recoveries(milestones: Milestones) -> frozenset[tuple[datetime, datetime]]:
    """Return each failure that was made good, and when: the payment right after it."""
    return frozenset(_pairs(_known(milestones, "ended", "joined", "paid"), "failed", "paid"))


def rejoin_times(milestones: Milestones) -> tuple[datetime, ...]:
    """Return when the member came back: each joining after an ending."""
    known = _known(milestones, "ended", "joined")
    pairs = _pairs([mark for mark in known if mark.kind in {"ended", "joined"}], "ended", "joined")
    return tuple(joined_at for _, joined_at in pairs)


def _pairs(
    marks: Iterable[Milestone], first: MilestoneKind, then: MilestoneKind
) -> Iterator[tuple[datetime, datetime]]:
    return ((one.at, two.at) for one, two in pairwise(marks) if (one.kind, two.kind) == (first, then))


def _known(milestones: Milestones, *kinds: MilestoneKind) -> list[Milestone]:
    """Leave out what lies before the oldest mark of a kind that is full: what stood between, is forgotten."""
    by_kind = ([mark for mark in milestones if mark.kind == kind] for kind in kinds)
    begins = [marks[0] for marks, kind in zip(by_kind, kinds, strict=True) if len(marks) == KEPT[kind]]
    return [mark for mark in milestones if mark >= max(begins, default=mark)]


def packed(milestones: Milestones) -> bytes:
    """Write each mark as six bytes: two bits for its kind, the rest milliseconds, good until the year 4199."""
    return b"".join(
        (_KINDS.index(mark.kind) << _TIME_BITS | to_millis(mark.at)).to_bytes(_BYTES, "big")
        for mark in milestones
    )


def unpacked(written: bytes) -> Milestones:
    """Read what `packed` wrote."""
    numbers = (
        int.from_bytes(written[start : start + _BYTES], "big") for start in range(0, len(written), _BYTES)
    )
    return tuple(
        Milestone(from_millis(number & (1 << _TIME_BITS) - 1), _KINDS[number >> _TIME_BITS])
        for number in numbers
    )
