"""Links a member's changes of store credit by the balance before and after each, to detect a missing change.

Both credit topics give the balance before and after. Where a change does not start from the balance that the
change before it left, an event is missing or late. A reading of the API is an anchor: the changes before it
are not compared.

The chain keeps the newest changes from the newest anchor on. That choice looks at the set alone, so every
order and every repetition of events keeps the same changes. A change has no event id: the same change reported
twice for the same moment is one change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final, TypeAlias

KEPT: Final = 6
"""Changes that a record keeps: every write pays for their bytes, and a gap is rechecked within minutes."""

READ_WITHIN: Final = timedelta(minutes=5)
"""How long after its date a reading may have been made: it is dated two minutes early, and more (`api_facts.py`)."""


Balances: TypeAlias = tuple[Decimal | None, Decimal]
"""The balance before a change, None where a reading of the API shows none, and the balance after it."""


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


def append(chain: BalanceChain, change: BalanceChange) -> BalanceChain:
    """Return the chain with one more change, in order: at most `KEPT` changes, from the newest anchor on."""
    changes = sorted({*chain, change}, key=_order)
    anchors = [index for index, each in enumerate(changes) if each.is_anchor]
    return tuple(changes[anchors[-1] if anchors else 0 :][-KEPT:])


def _order(change: BalanceChange) -> tuple[datetime, bool, Decimal, Decimal]:
    # A reading comes before the changes of its own millisecond, because it may not include them.
    return change.at, not change.is_anchor, change.new, change.previous or Decimal(0)


def has_gap(chain: BalanceChain) -> bool:
    """Return whether some change does not start from the balance that the one before it left.

    A reading may have been made any time within `READ_WITHIN` after its date: before all changes that follow it
    here, or right after one that left the balance of the reading.
    """
    if not chain:
        return False
    first, rest = chain[0], chain[1:]
    if not first.is_anchor:
        return not any(_walk([(change.previous, None)], chain) for change in chain if change.at == first.at)
    later_starts = (
        index
        for index, change in enumerate(rest, 1)
        if change.at <= first.at + READ_WITHIN and change.new == first.new
    )
    return not any(_walk([(first.new, None)], rest[start:]) for start in (0, *later_starts))


_Position: TypeAlias = tuple[Decimal | None, Balances | None]
"""A balance reached on a walk along the chain, and the change that led to it."""


def _walk(starts: Sequence[_Position], changes: BalanceChain) -> Sequence[_Position]:
    """Return the positions after all changes, those of one millisecond taken in any order; none at a gap."""
    for _, simultaneous in groupby(changes, key=lambda change: change.at):
        moves = [(change.previous, change.new) for change in simultaneous]
        starts = list(dict.fromkeys(end for start in starts for end in _permuted(*start, moves)))
    return starts


def _permuted(
    balance: Decimal | None, last: Balances | None, moves: Sequence[Balances]
) -> Iterator[_Position]:
    """Yield the positions after all moves, in each order in which every move starts where the one before it ended."""
    if not moves:
        yield balance, last
    for index, move in enumerate(moves):
        # The same move once more is no gap: an expiry may be reported under both topics.
        if move[0] == balance or move == last:
            yield from _permuted(move[1], move, [*moves[:index], *moves[index + 1 :]])
