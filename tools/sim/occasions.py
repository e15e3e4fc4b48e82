"""Which matter of its member each event belongs to, as a person would count: one dunning, one leaving, one joining.

The simulator's own count, by the order in which things happened: whoever tells people about the programme
is measured against it, and not against keys of their own.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Final

from sim.clock import iso
from sim.events import Event

_FAILURES: Final = frozenset({"customer_billing.attempt.failed", "customer.payment_failed"})
_COLUMNS: Final = ("event", "customer_id", "at", "topic", "occasion")
_KEPT: Final = 200_000
_LEAVING: Final = frozenset({"customer.pending_cancellation", "customer.cancelled"})


class Occasions:
    """For each event of v2.0, in the order in which they happened: its member, its time, its matter.

    A dunning begins with the first failed attempt and ends with a payment, a joining, or the cancellation
    that the failure leads to; a leaving begins with the notice, or the end without one, and ends with the
    next joining or payment. Anything else is a matter of its own.
    """

    def __init__(self) -> None:
        self._told: deque[tuple[int, str, str, str, str]] = deque(maxlen=_KEPT)
        self._open: dict[tuple[str, str], int] = {}
        self._lost: set[str] = set()
        self._counts: Counter[str] = Counter()

    def learn(self, event: Event) -> None:
        """Take in an event."""
        if event.topic:
            matter = self._occasion(event.topic, event.member_id)
            self._told.append((event.ordinal, event.member_id, iso(event.at), event.topic, matter))

    def described(self) -> list[dict[str, Any]]:
        """Return the latest events with their matters, oldest first."""
        return [dict(zip(_COLUMNS, row, strict=True)) for row in self._told]

    def _occasion(self, topic: str, member: str) -> str:
        dunning, leaving = (member, "dunning"), (member, "leaving")
        if topic in _FAILURES:
            if topic == "customer.payment_failed":
                self._lost.add(member)
            return self._opened(dunning)
        if topic in _LEAVING:
            matter = self._opened(dunning if member in self._lost else leaving)
            if topic == "customer.cancelled":
                self._closed(member, dunning)
            return matter
        if topic == "customer.payment_succeeded" or topic.startswith("customer.joined."):
            ended = dunning if dunning in self._open else leaving
            matter = self._opened(ended) if ended in self._open else self._new(topic)
            self._closed(member, dunning, leaving)
            return matter
        return self._new(topic)

    def _opened(self, matter: tuple[str, str]) -> str:
        if matter not in self._open:
            self._counts[matter[1]] += 1
            self._open[matter] = self._counts[matter[1]]
        return f"{matter[1]} {self._open[matter]}"

    def _new(self, topic: str) -> str:
        self._counts[topic] += 1
        return f"{topic} {self._counts[topic]}"

    def _closed(self, member: str, *matters: tuple[str, str]) -> None:
        self._lost.discard(member)
        for matter in matters:
            self._open.pop(matter, None)
