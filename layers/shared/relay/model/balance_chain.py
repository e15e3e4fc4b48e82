"""A member's chain of balances: each change says what it found and what it left, so a missing one shows.

Both credit topics tell the balance before and after. Where one change does not find what the one before
it left, an event has not come (yet). A reading of the API is an anchor: what was before it no longer
matters.

Only the newest links are kept, from the newest anchor on. Both are choices of a set that look at nothing
but its members, so that any order and any repetition of events keeps the same links. A link has no event id:
the same change told twice at the same moment is one link, and that is what it should be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final, TypeAlias

KEPT: Final = 6
"""Links that a record keeps: its bytes are paid for at every write, and a hole is looked at within minutes."""

READ_WITHIN: Final = timedelta(minutes=5)
"""How long after its date a reading may have been made: it is dated two minutes early, and more (`reading.py`)."""


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A change of balance, from `previous` to `new`; a reading has no `previous`."""

    previous: Decimal | None
    new: Decimal


@dataclass(frozen=True, slots=True)
class DatedChange:
    """A change, and when it was."""

    at: datetime
    change: BalanceChange

    @property
    def is_anchor(self) -> bool:
        """Tell whether it is a reading."""
        return self.change.previous is None


BalanceChain: TypeAlias = tuple[DatedChange, ...]


def append(chain: BalanceChain, more: DatedChange) -> BalanceChain:
    """Return the chain with one more link in its place."""
    links = sorted({*chain, more}, key=_place)
    anchors = [place for place, link in enumerate(links) if link.is_anchor]
    return tuple(links[anchors[-1] if anchors else 0 :][-KEPT:])


def _place(link: DatedChange) -> tuple[datetime, bool, Decimal, Decimal]:
    # A reading comes before the changes of its own millisecond, for it may not have seen them.
    return link.at, not link.is_anchor, link.change.new, link.change.previous or Decimal(0)


def has_gap(chain: BalanceChain) -> bool:
    """Tell whether a change does not find what the one before it left.

    A reading lies somewhere within `READ_WITHIN` after its date: before the changes that follow it here, or
    after one of them that left just its balance.
    """
    if not chain:
        return False
    first, rest = chain[0], chain[1:]
    if not first.is_anchor:
        return not any(_ends([(link.change.previous, None)], chain) for link in chain if link.at == first.at)
    balance = first.change.new
    seen = (
        place
        for place, link in enumerate(rest, 1)
        if link.at <= first.at + READ_WITHIN and link.change.new == balance
    )
    return not any(_ends([(balance, None)], rest[start:]) for start in (0, *seen))


_End: TypeAlias = tuple[Decimal | None, BalanceChange | None]
"""Where one stands: the balance, and the change that led to it."""


def _ends(starts: Sequence[_End], links: BalanceChain) -> Sequence[_End]:
    """Return where one can end up who takes all links, those of one millisecond in any order."""
    for _, group in groupby(links, key=lambda link: link.at):
        changes = [link.change for link in group]
        starts = list(dict.fromkeys(end for start in starts for end in _ways(*start, changes)))
    return starts


def _ways(
    balance: Decimal | None, last: BalanceChange | None, changes: Sequence[BalanceChange]
) -> Iterator[_End]:
    if not changes:
        yield balance, last
    for change in changes:
        # The same change told again is no hole: an expiry may come under both topics.
        if change.previous == balance or change == last:
            rest = [other for other in changes if other is not change]
            yield from _ways(change.new, change, rest)
