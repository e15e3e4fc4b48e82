"""What will happen when: a heap, so that turning the clock costs as much as happens and not members times days."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Happening:
    """Something planned. Two at one moment happen in the order in which they were planned.

    `term` is the membership that it belongs to: when the member has begun another one, it is void.
    """

    at: datetime
    kind: str
    member_id: str = ""
    term: int = 0
    data: Any = None


class Agenda:
    """All that is planned, the next first."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Happening]] = []
        self._serial = 0
        self.done = 0

    def __len__(self) -> int:
        return len(self._heap)

    def plan(self, at: datetime, kind: str, member_id: str = "", term: int = 0, data: Any = None) -> None:
        """Plan something."""
        self._serial += 1
        happening = Happening(at, kind, member_id, term, data)
        heapq.heappush(self._heap, (at, self._serial, happening))

    def due(self, until: datetime) -> Iterator[Happening]:
        """Take what is due, one by one, including what is planned meanwhile."""
        while self._heap and self._heap[0][0] <= until:
            self.done += 1
            yield heapq.heappop(self._heap)[2]
