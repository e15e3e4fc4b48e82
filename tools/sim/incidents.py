"""The incident of each event, as a person would count: one dunning, one leaving, one joining.

The simulator counts incidents itself, in the order of the events. Tests compare the alerts of Relay with this count,
not with the incident keys of Relay.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Final

from sim.clock import iso
from sim.events import Event

_FAILURES: Final = frozenset({"customer_billing.attempt.failed", "customer.payment_failed"})
_COLUMNS: Final = ("event", "customer_id", "at", "topic", "incident_key")
_MAX_ROWS: Final = 200_000
_LEAVING: Final = frozenset({"customer.pending_cancellation", "customer.cancelled"})


class IncidentLog:
    """For each v2.0 event, in order: the member, the time, the topic and the incident.

    A dunning begins with the first failed attempt and ends with a payment, a joining, or the cancellation after the
    failure. A leaving begins with the pending cancellation, or with the cancellation if there was none, and ends
    with the next joining or payment. Any other event is an incident of its own.
    """

    def __init__(self) -> None:
        self._rows: deque[tuple[int, str, str, str, str]] = deque(maxlen=_MAX_ROWS)
        self._open: dict[tuple[str, str], int] = {}
        self._lost: set[str] = set()
        self._counts: Counter[str] = Counter()

    def record_event(self, event: Event) -> None:
        """Add an event and determine its incident."""
        if event.topic:
            incident = self._incident(event.topic, event.member_id)
            self._rows.append((event.ordinal, event.member_id, iso(event.at), event.topic, incident))

    def rows(self) -> list[dict[str, Any]]:
        """Return the latest events with their incidents, oldest first."""
        return [dict(zip(_COLUMNS, row, strict=True)) for row in self._rows]

    def _incident(self, topic: str, member: str) -> str:
        dunning, leaving = (member, "dunning"), (member, "leaving")
        if topic in _FAILURES:
            if topic == "customer.payment_failed":
                self._lost.add(member)
            return self._current(dunning)
        if topic in _LEAVING:
            incident = self._current(dunning if member in self._lost else leaving)
            if topic == "customer.cancelled":
                self._close(member, dunning)
            return incident
        if topic == "customer.payment_succeeded" or topic.startswith("customer.joined."):
            ended = dunning if dunning in self._open else leaving
            incident = self._current(ended) if ended in self._open else self._new(topic)
            self._close(member, dunning, leaving)
            return incident
        return self._new(topic)

    def _current(self, key: tuple[str, str]) -> str:
        if key not in self._open:
            self._counts[key[1]] += 1
            self._open[key] = self._counts[key[1]]
        return f"{key[1]} {self._open[key]}"

    def _new(self, topic: str) -> str:
        self._counts[topic] += 1
        return f"{topic} {self._counts[topic]}"

    def _close(self, member: str, *keys: tuple[str, str]) -> None:
        self._lost.discard(member)
        for key in keys:
            self._open.pop(key, None)
