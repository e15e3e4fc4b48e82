"""Finds a member's balance: the end of the chain of credit events, each of which has the balance before and after it.

The platform tells some times in whole seconds, so the chain is walked second by second. Within a second, each
balance is counted: the times it was reached less the times it was left. One +1 and one -1 are the end and the
beginning of the second's changes, whatever their order. All zero is a circle: it ends where it began, at the balance before. Anything else is
undecided: the change with the largest (time, new, previous) stands, and the member is rechecked.

A balance without the one before it, as a reading of the API has it, is an anchor: the changes before it do not
count. A change that does not start from the balance before it shows a gap: an event is missing or late.

The chain keeps the newest changes from the newest anchor on. That choice looks at the set alone, so every
order and every repetition of events keeps the same changes. A change has no event id: the same change reported
twice for the same moment is one change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final, TypeAlias

KEPT: Final = 6
"""Changes that a record keeps, extended to whole seconds: every write pays for their bytes."""

FULL_SECOND: Final = 16
"""Changes that are kept of one second. A second with so many may have had more: it decides nothing."""

READ_WITHIN: Final = timedelta(minutes=5)
"""How long after its date a reading may have been made: it is dated two minutes early, and more (`api_facts.py`)."""


Balances: TypeAlias = tuple[Decimal | None, Decimal]
"""The balance before a change, None for an anchor, and the balance after it."""


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A change of balance at a moment, from `previous` to `new`; an anchor has no `previous`."""

    at: datetime
    previous: Decimal | None
    new: Decimal

    @property
    def is_anchor(self) -> bool:
        """Whether the change is a reading of the balance."""
        return self.previous is None


BalanceChain: TypeAlias = tuple[BalanceChange, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance that stands, and whether the chain decides it; None where nothing is known."""

    value: Decimal | None = None
    is_certain: bool = True


def append(chain: BalanceChain, change: BalanceChange) -> BalanceChain:
    """Return the chain with one more change, in order: from the newest anchor on, the newest whole seconds."""
    changes = sorted({*chain, change}, key=_order)
    anchors = [index for index, each in enumerate(changes) if each.is_anchor]
    kept: list[BalanceChange] = []
    for second in reversed(list(_seconds(changes[anchors[-1] if anchors else 0 :]))):
        if len(kept) >= KEPT:
            break
        kept[:0] = second[-FULL_SECOND:]
    return tuple(kept)


def _order(change: BalanceChange) -> tuple[datetime, bool, Decimal, Decimal]:
    # A reading comes before the changes of its own millisecond, because it may not include them.
    return change.at, not change.is_anchor, change.new, change.previous or Decimal(0)


def _seconds(changes: Iterable[BalanceChange]) -> Iterator[list[BalanceChange]]:
    """Yield the changes of each second."""
    return (list(group) for _, group in groupby(changes, key=lambda each: each.at.replace(microsecond=0)))


def balance(chain: BalanceChain) -> Balance:
    """Return the balance after all changes."""
    found = Balance()
    for second in _seconds(chain):
        found = _after(second, found)
    return found


def leading_change(chain: BalanceChain, at: datetime) -> BalanceChange | None:
    """Return the change of this moment's second that led to the balance after it: the latest that reached it."""
    found = Balance()
    for second in _seconds(chain):
        found = _after(second, found)
        if second[0].at.replace(microsecond=0) == at.replace(microsecond=0):
            return next(
                (each for each in reversed(second) if each.new == found.value and not each.is_anchor), None
            )
    return None


def _after(second: Sequence[BalanceChange], before: Balance) -> Balance:
    """Return the balance after the changes of one second."""
    if second[0].is_anchor:
        before, second = Balance(second[0].new), second[1:]
        if not second:
            return before
    undecided = Balance(second[-1].new, is_certain=False)
    if len(second) >= FULL_SECOND:
        return undecided
    ends = _ends(second)
    if ends is None:
        return undecided
    if ends:
        return Balance(ends[1])
    on_circle = {each.new for each in second}
    if before.value in on_circle:
        return before
    return Balance(second[0].new) if len(on_circle) == 1 else undecided


def _ends(changes: Sequence[BalanceChange]) -> tuple[Decimal, Decimal] | tuple[()] | None:
    """Return the first and the last balance of these changes; () where they are a circle, None where they are undecided."""
    reached = Counter(each.new for each in changes)
    reached.subtract(each.previous for each in changes if each.previous is not None)
    odd = {value: count for value, count in reached.items() if count}
    if not odd:
        return ()
    if sorted(odd.values()) != [-1, 1]:
        return None
    [first] = [value for value, count in odd.items() if count < 0]
    [last] = [value for value, count in odd.items() if count > 0]
    return first, last


def has_gap(chain: BalanceChain) -> bool:
    """Return whether some change does not start from the balance that the one before it left.

    A reading may have been made any time within `READ_WITHIN` after its date: before all changes that follow it
    here, or right after one that left the balance of the reading.
    """
    if not chain:
        return False
    first, rest = chain[0], chain[1:]
    if not first.is_anchor:
        return not _is_whole(None, chain)
    later_starts = (
        index
        for index, change in enumerate(rest, 1)
        if change.at <= first.at + READ_WITHIN and change.new == first.new
    )
    return not any(_is_whole(first.new, rest[start:]) for start in (0, *later_starts))


def _is_whole(start: Decimal | None, changes: BalanceChain) -> bool:
    """Return whether each second's changes connect to the balance before them; an undecided second connects to any."""
    before, last = start, frozenset[tuple[Decimal | None, Decimal]]()
    for second in _seconds(changes):
        moves = frozenset((each.previous, each.new) for each in second)
        # The same move once more is no gap: an expiry may be reported under both topics.
        if not moves <= last and not _connects(second, before):
            return False
        before, last = _after(second, Balance(before)).value, moves
    return True


def _connects(second: Sequence[BalanceChange], before: Decimal | None) -> bool:
    ends = _ends(second)
    if ends is None or before is None:
        return True
    return ends[0] == before if ends else before in {each.new for each in second}
