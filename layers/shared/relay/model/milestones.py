"""Remembers when fees were paid and failed and when the membership ended and began, to recognise recoveries and rejoinings.

A recovery is a payment right after a failure; a rejoining is a joining right after an ending. No register can
hold either, because which event comes before another is known only once both have arrived. The record keeps the
newest milestones of each kind. That choice looks at the set alone, so every order and every repetition of
events keeps the same milestones. Older ones are forgotten: a recovery, for example, after six more payments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from relay.model.fields import from_millis, to_millis
from relay.model.stamps import RANKS

MilestoneKind: TypeAlias = Literal["failed", "paid", "ended", "joined"]

KEPT: Final[dict[MilestoneKind, int]] = {"failed": 3, "paid": 6, "ended": 6, "joined": 6}
"""Milestones that a record keeps of each kind: every write pays for their six bytes each."""

_TOPICS: Final[dict[MilestoneKind, str]] = {
    "failed": "customer_billing.attempt.failed",
    "paid": "customer.payment_succeeded",
    "ended": "customer.cancelled",
    "joined": "customer.joined.paid_tier",
}
_KINDS: Final = tuple(sorted(KEPT, key=lambda kind: RANKS[_TOPICS[kind]]))
"""In the order of their ranks, which decide between two milestones of one millisecond. Stored as numbers from 0."""

_BYTES: Final = 6
_KIND_BITS: Final = 2


@dataclass(frozen=True, slots=True)
class Milestone:
    """One event of the membership; `at` is to the millisecond."""

    at: datetime
    kind: MilestoneKind

    @property
    def number(self) -> int:
        """The number that orders milestones and that the table stores: milliseconds since 1970 · 4 + kind."""
        return to_millis(self.at) << _KIND_BITS | _KINDS.index(self.kind)

    @classmethod
    def numbered(cls, number: int) -> Milestone:
        """Return the milestone that has this number."""
        return cls(from_millis(number >> _KIND_BITS), _KINDS[number & (1 << _KIND_BITS) - 1])


Milestones: TypeAlias = tuple[Milestone, ...]
"""In the order of their numbers."""


def add(milestones: Milestones, milestone: Milestone) -> Milestones:
    """Return the milestones with one more, at most `KEPT` of each kind, the newest."""
    every = _in_order({*milestones, milestone})
    kept: list[Milestone] = []
    for kind, most in KEPT.items():
        kept += [each for each in every if each.kind == kind][-most:]
    return tuple(_in_order(kept))


def recovered_at(milestones: Milestones) -> datetime | None:
    """Return when a failed fee was last paid after all: the newest payment right after a failure."""
    return max((paid_at for _, paid_at in recoveries(milestones)), default=None)


def recoveries(milestones: Milestones) -> frozenset[tuple[datetime, datetime]]:
    """Return the times of each failure that was recovered and of the payment right after it."""
    return frozenset(_pairs(_complete(milestones, "ended", "joined", "paid"), "failed", "paid"))


def rejoin_times(milestones: Milestones) -> tuple[datetime, ...]:
    """Return when the member rejoined, the latest last: each joining right after an ending."""
    memberships = [
        each for each in _complete(milestones, "ended", "joined") if each.kind in {"ended", "joined"}
    ]
    return tuple(joined_at for _, joined_at in _pairs(memberships, "ended", "joined"))


def encode(milestones: Milestones) -> bytes:
    """Return the bytes that the table stores: six for each milestone, good until the year 4199."""
    return b"".join(each.number.to_bytes(_BYTES, "big") for each in milestones)


def decode(stored: bytes) -> Milestones:
    """Return the milestones that `encode` was given."""
    return tuple(
        Milestone.numbered(int.from_bytes(stored[start : start + _BYTES], "big"))
        for start in range(0, len(stored), _BYTES)
    )


def _in_order(milestones: Iterable[Milestone]) -> list[Milestone]:
    return sorted(milestones, key=lambda each: each.number)


def _pairs(
    milestones: Iterable[Milestone], first: MilestoneKind, second: MilestoneKind
) -> Iterator[tuple[datetime, datetime]]:
    return (
        (one.at, other.at) for one, other in pairwise(milestones) if (one.kind, other.kind) == (first, second)
    )


def _complete(milestones: Milestones, *kinds: MilestoneKind) -> list[Milestone]:
    """Return the milestones from the time on for which none of these kinds was forgotten.

    Where a kind is full, an older milestone of it may be missing: what then looks like neighbours may be none.
    """
    by_kind = ([each for each in milestones if each.kind == kind] for kind in kinds)
    full = [known[0].number for known, kind in zip(by_kind, kinds, strict=True) if len(known) == KEPT[kind]]
    return [each for each in milestones if each.number >= max(full, default=each.number)]
