"""Make a failing play small: the fewest events, arrivals and faults that still fail, by delta debugging.

The same input gives the same result. `fails` is asked for one play at a time and is the caller's: usually "the
property of this name is violated".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tests.judge.adversary import Fault, Plan, as_happened
from tests.judge.history import History

T = TypeVar("T")
Fails = Callable[[History, Plan], bool]


class NotFailingError(Exception):
    """The play that was to be shrunk does not fail."""


@dataclass(slots=True)
class Shrunk:
    """The smallest failing play that was found, and how many plays it took."""

    history: History
    plan: Plan
    plays: int


@dataclass(slots=True)
class _Search:
    fails: Fails
    most: int
    plays: int = 0
    known: dict[tuple[History, Plan], bool] = field(default_factory=dict)

    def __call__(self, history: History, plan: Plan) -> bool:
        plan = plan.within(history)
        if (history, plan) not in self.known:
            if self.plays >= self.most:
                return False
            self.plays += 1
            self.known[history, plan] = self.fails(history, plan)
        return self.known[history, plan]


def shrink(history: History, plan: Plan, fails: Fails, *, most_plays: int = 400) -> Shrunk:
    """Return a smallest failing play.

    Raises:
        NotFailingError: the play given does not fail, so that there is nothing to shrink.
    """
    search = _Search(fails, most_plays)
    if not search(history, plan):
        raise NotFailingError("the play does not fail")
    before: tuple[History, Plan] | None = None
    while before != (history, plan):
        before = (history, plan)
        # The natural order with no fault first: a failure that needs neither is the easiest to read.
        for simpler in (as_happened(history), replace(as_happened(history), faults=plan.faults)):
            if simpler != plan and search(history, simpler):
                plan = simpler
                break
        history = _fewer_events(history, plan, search)
        plan = plan.within(history)
        plan = _fewer_faults(history, plan, search)
        plan = _fewer_arrivals(history, plan, search)
        history = _only_what_arrives(history, plan, search)
        plan = _sorted_arrivals(history, plan, search)
    return Shrunk(history, plan.within(history), search.plays)


def _fewer_events(history: History, plan: Plan, search: _Search) -> History:
    def fails(kept: Sequence[str]) -> bool:
        gone = frozenset(event.name for event in history.events) - set(kept)
        return search(history.without(gone), plan)

    names = [event.name for event in history.events]
    members = {event.member for event in history.events}
    for member in sorted(members) if len(members) > 1 else ():
        alone = [event.name for event in history.events if event.member == member]
        if fails(alone):
            names = alone
            break
    kept = minimal(names, fails)
    return history.without(frozenset(event.name for event in history.events) - set(kept))


def _fewer_faults(history: History, plan: Plan, search: _Search) -> Plan:
    def fails(kept: Sequence[Fault]) -> bool:
        return search(history, replace(plan, faults=frozenset(kept)))

    return replace(plan, faults=frozenset(minimal(sorted(plan.faults), fails)))


def _fewer_arrivals(history: History, plan: Plan, search: _Search) -> Plan:
    """Take away repeats; the first arrival of an event goes only with the event."""
    indices = list(range(len(plan.arrivals)))

    def of(kept: Sequence[int]) -> Plan:
        return replace(plan, arrivals=tuple(plan.arrivals[n] for n in kept))

    def fails(kept: Sequence[int]) -> bool:
        whole = {plan.arrivals[n][0] for n in kept} == {event.name for event in history.events}
        return whole and search(history, of(kept))

    return of(minimal(indices, fails))


def _only_what_arrives(history: History, plan: Plan, search: _Search) -> History:
    """Drop trailing deliveries that the plan does not use, so that the history shows what is played."""
    last = {name: max(n for other, n in plan.arrivals if other == name) for name, _ in plan.arrivals}
    events = tuple(
        replace(e, deliveries=e.deliveries[: last[e.name] + 1]) if e.name in last else e
        for e in history.events
    )
    shorter = replace(history, events=events)
    return shorter if shorter == history or search(shorter, plan) else history


def _sorted_arrivals(history: History, plan: Plan, search: _Search) -> Plan:
    """Put neighbours that stand in the wrong order right, where the play still fails."""
    natural = {pair: n for n, pair in enumerate(as_happened(history).arrivals)}
    arrivals = list(plan.arrivals)
    for _ in arrivals:
        for n in range(len(arrivals) - 1):
            if natural[arrivals[n]] > natural[arrivals[n + 1]]:
                swapped = [*arrivals[:n], arrivals[n + 1], arrivals[n], *arrivals[n + 2 :]]
                if search(history, replace(plan, arrivals=tuple(swapped))):
                    arrivals = swapped
    return replace(plan, arrivals=tuple(arrivals))


def minimal(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return a part of the items that fails and of which no single item can be spared (ddmin)."""
    kept = list(items)
    parts = 2
    while kept:
        if fails([]):
            return []
        size = max(1, len(kept) // parts)
        chunks = [kept[n : n + size] for n in range(0, len(kept), size)]
        for n in range(len(chunks)):
            rest = [item for m, chunk in enumerate(chunks) if m != n for item in chunk]
            if len(rest) < len(kept) and rest and fails(rest):
                kept, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                return kept
            parts = min(parts * 2, len(kept))
    return kept
