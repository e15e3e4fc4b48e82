"""A member's chain of balances: each change says what it found and what it left, so a missing one shows.

Both credit topics tell the balance before and after. Where one change does not find what the one before
it left, an event has not come (yet). A reading of the API is an anchor: what was before it no longer
matters.

Only the newest links are kept, by (time, id), from the newest anchor on. Both are choices of a set that
look at nothing but its members, so that any order and any repetition of events keeps the same links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final

KEPT: Final = 8
"""Links that a record keeps: its bytes are paid for at every write, and a hole is looked at within minutes."""

READ_WITHIN: Final = timedelta(minutes=5)
"""How long after its date a reading may have been made: it is dated two minutes early, less the call's duration."""


@dataclass(frozen=True, slots=True)
class Link:
    """One change of balance, from `previous` to `new`; a reading has no `previous`."""

    previous: Decimal | None
    new: Decimal


@dataclass(frozen=True, slots=True)
class Linked:
    """A link, the moment of its change, and the id of the event that told it."""

    at: datetime
    by: str
    link: Link

    @property
    def is_anchor(self) -> bool:
        """Tell whether it is a reading."""
        return self.link.previous is None


Chain = tuple[Linked, ...]


def joined(chain: Chain, more: Linked) -> Chain:
    """Return the chain with one more link in its place."""
    links = sorted({*chain, more}, key=_place)
    anchors = [place for place, linked in enumerate(links) if linked.is_anchor]
    return tuple(links[anchors[-1] if anchors else 0 :][-KEPT:])


def _place(linked: Linked) -> tuple[datetime, str, bool, str]:
    # The link takes part for the sake of one case: two readings of one event by two versions of the code.
    return linked.at, linked.by, linked.is_anchor, str(linked.link)


def broken(chain: Chain) -> bool:
    """Tell whether a change does not find what the one before it left.

    A reading lies somewhere within `READ_WITHIN` after its date, so it may have seen some of the changes
    that follow it here: any place among those will do.
    """
    if not chain:
        return False
    first, rest = chain[0], chain[1:]
    if not first.is_anchor:
        return not _meet(first.link.new, first.link, rest)
    seen = sum(linked.at <= first.at + READ_WITHIN for linked in rest)
    return not any(_meet(first.link.new, None, rest[start:]) for start in range(seen + 1))


def _meet(balance: Decimal, last: Link | None, rest: Sequence[Linked]) -> bool:
    """Tell whether the links can follow each other, those of one millisecond in any order."""
    ends = {(balance, last)}
    for _, group in groupby(rest, key=lambda linked: linked.at):
        links = [linked.link for linked in group]
        ends = {end for start in ends for end in _ways(*start, links)}
    return bool(ends)


def _ways(
    balance: Decimal, last: Link | None, links: Sequence[Link]
) -> Iterator[tuple[Decimal, Link | None]]:
    """Yield where one can end up who takes all of these links, in any order in which they meet."""
    if not links:
        yield balance, last
        return
    for link in _different(links):
        # The same change told again is no hole: an expiry may come under both topics.
        if link.previous == balance or link == last or link.previous is None:
            rest = list(links)
            rest.remove(link)
            yield from _ways(link.new, link, rest)


def _different(links: Iterable[Link]) -> Iterable[Link]:
    return dict.fromkeys(links)
