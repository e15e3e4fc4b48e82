"""The schedule of future actions: a heap, so that advancing the clock costs what happens, not members times days."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ScheduledAction:
    """One scheduled action. Actions of the same time run in the order in which they were added.

    `term` numbers the membership of the action: when the member has started another one, the action is void.
    """

    at: datetime
    kind: str
    member_id: str = ""
    term: int = 0
    data: Any = None


class Schedule:
    """All scheduled actions, the earliest first; `processed` counts those taken."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, ScheduledAction]] = []
        self._serial = 0
        self.processed = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, at: datetime, kind: str, member_id: str = "", term: int = 0, data: Any = None) -> None:
        """Schedule an action."""
        self._serial += 1
        action = ScheduledAction(at, kind, member_id, term, data)
        heapq.heappush(self._heap, (at, self._serial, action))

    def pop_due(self, until: datetime) -> Iterator[ScheduledAction]:
        """Remove and yield the actions due until that time, including those added meanwhile."""
        while self._heap and self._heap[0][0] <= until:
            self.processed += 1
            yield heapq.heappop(self._heap)[2]
