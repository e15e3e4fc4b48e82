"""The balance that a member's credit events leave, second by second (architecture.md, "The balance is no register")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from tests.judge.history import SECOND

# "Kept: from the newest anchor the newest 6 links, extended to whole seconds; of a second the 16 largest".
KEPT_LINKS = 6
FULL_SECOND = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One credit event: its time and the balances after and before it; no `previous` makes it an anchor."""

    ms: int
    new: Decimal
    previous: Decimal | None


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance after the newest second.

    `certain` is False where the second's links decide nothing, so that the member must be rechecked; `written` is
    False where the documents do not say which balance stands.
    """

    value: Decimal | None
    certain: bool = True
    written: bool = True


def balance(entries: Iterable[Entry]) -> Balance:
    """Return the balance that stands after all entries, each of which is another event."""
    seconds = [list(group) for _, group in groupby(sorted(entries, key=_when), key=lambda e: e.ms // SECOND)]
    before = Balance(None)
    for links in seconds:
        before = _after(links, before)
    return before


def _when(entry: Entry) -> tuple[int, Decimal, bool, Decimal]:
    return entry.ms, entry.new, entry.previous is not None, entry.previous or Decimal(0)


def _after(links: list[Entry], before: Balance) -> Balance:
    largest = Balance(max(links, key=_when).new, certain=False)
    if len(links) >= FULL_SECOND:
        return largest
    if len(links) == 1:
        return Balance(links[0].new)
    if any(link.previous is None for link in links):
        # The documents do not say how an anchor and other events of its second stand to each other.
        return Balance(largest.value, certain=False, written=False)
    reached = Counter(link.new for link in links)
    reached.subtract(Counter(link.previous for link in links if link.previous is not None))
    turns = sorted(reached[value] for value in reached if reached[value])
    if turns == [-1, 1]:
        return Balance(next(value for value in reached if reached[value] == 1))
    if not turns and before.value in reached:
        # A circle longer than what is kept hides the balance before it.
        return Balance(
            before.value, certain=before.certain, written=before.written and len(links) < KEPT_LINKS
        )
    return largest
