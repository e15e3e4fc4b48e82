"""Virtual time for several workers, with a queue and a Lambda context that follow it.

Every worker is an execution environment in a thread of its own. Only the worker that is furthest behind runs, until it
waits for something, so that workers overlap as in real time. Each call takes a quarter of a second.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from relay.ports.messaging import OutgoingMessage
from relay.queues.batch import Message

BEGIN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


LATENCY = 0.25


WINDOW = timedelta(seconds=5)


class VirtualClock:
    """The time of each worker. Only the worker that is furthest behind runs."""

    def __init__(self) -> None:
        self._times: dict[int, datetime] = {}
        self._turn = threading.Condition()
        self._mine = threading.local()
        self.latest = BEGIN

    def __call__(self) -> datetime:
        """Return the time of the calling worker; outside of all workers, the latest."""
        number = getattr(self._mine, "number", None)
        return self.latest if number is None else self._times[number]

    def forward(self, seconds: float) -> None:
        """Let time pass for the calling worker."""
        number = getattr(self._mine, "number", None)
        if number is None:
            return
        with self._turn:
            self._times[number] += timedelta(seconds=seconds)
            self.latest = max(self.latest, self._times[number])
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._first() == number)

    def run(self, work: Callable[[], None], workers: int) -> None:
        """Run `work` in this many workers until all are done."""
        self._times = dict.fromkeys(range(workers), BEGIN)

        def one(number: int) -> None:
            self._mine.number = number
            try:
                self.forward(0)
                work()
            finally:
                with self._turn:
                    del self._times[number]
                    self._turn.notify_all()

        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(one, number) for number in range(workers)]:
                done.result()

    def _first(self) -> int:
        return min(self._times, key=lambda number: (self._times[number], number))


@dataclass
class VirtualQueue:
    """An SQS queue in virtual time; `arrivals` are the messages still to come, in order."""

    clock: VirtualClock
    name: str = "source"
    arrivals: deque[tuple[datetime, Callable[[], OutgoingMessage]]] = field(default_factory=deque)
    later: list[tuple[datetime, int, OutgoingMessage]] = field(default_factory=list)
    ready: list[tuple[float, int, OutgoingMessage]] = field(default_factory=list)
    deferred: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _chance: random.Random = field(default_factory=lambda: random.Random(7))

    def defer(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Take delayed copies."""
        self.deferred += len(messages)
        for message in messages:
            at = self.clock() + timedelta(seconds=message.delay)
            heapq.heappush(self.later, (at, next(self._numbers), message))
        return [None] * len(messages)

    def delete(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        """Do nothing: a received message is gone."""
        return [None] * len(messages)

    def receive(self, most: int) -> list[dict[str, Any]]:
        """Return a batch as Lambda makes it: a full one, or the messages of five seconds from the first."""
        self._arrive()
        if not self.ready:
            return []
        closes = self.clock() + WINDOW
        while len(self.ready) < most and self.clock() < closes:
            self.clock.forward(LATENCY)
            self._arrive()
        # In random order, like a standard queue.
        taken = [heapq.heappop(self.ready)[2] for _ in range(min(most, len(self.ready)))]
        return [self._record(message) for message in taken]

    def next_at(self) -> datetime | None:
        """Return when the next message can be received; None if there is none."""
        coming = [self.later[0][0]] if self.later else []
        coming += [self.arrivals[0][0]] if self.arrivals else []
        return min(coming, default=None)

    def _arrive(self) -> None:
        """Move the messages that have arrived by now to those that can be received."""
        now = self.clock()
        while self.arrivals and self.arrivals[0][0] <= now:
            self._put(self.arrivals.popleft()[1]())
        while self.later and self.later[0][0] <= now:
            self._put(heapq.heappop(self.later)[2])

    def _put(self, message: OutgoingMessage) -> None:
        heapq.heappush(self.ready, (self._chance.random(), next(self._numbers), message))

    def _record(self, message: OutgoingMessage) -> dict[str, Any]:
        return {
            "messageId": f"m{next(self._numbers)}",
            "receiptHandle": "r",
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(int(self.clock().timestamp() * 1000)),
            },
            "messageAttributes": {name: {"stringValue": value} for name, value in message.attributes.items()},
        }


@dataclass
class VirtualContext:
    """A Lambda context in virtual time."""

    clock: VirtualClock
    ends: datetime

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left."""
        return max(0, int((self.ends - self.clock()).total_seconds() * 1000))
