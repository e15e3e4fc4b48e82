"""How many deliveries of each topic were accepted, and when the last one was: counted in the receiver's log.

The log is read window by window, the newest first, until the whole time is read or the time for reading is over. So what
is said is exact for the time that it names, and a busy shop waits no longer than a quiet one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from relay.topics import FOLDERS

from relay_cli.output import Progress
from relay_cli.stack import Stack

Reader: TypeAlias = Callable[[datetime, datetime], Iterable[tuple[datetime, str]]]
"""Yields the lines of a log between two times, each with its time."""

UNPLACED: Final = "(unclaimed)"
"""Deliveries that the receiver could not place by topic."""

_WINDOWS: Final = tuple(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12))
"""The lengths of the windows from now backwards; the last is repeated."""


@dataclass(slots=True)
class Deliveries:
    """Accepted deliveries since `since`: count and last time by topic. `wanted_since` is as far back as was asked."""

    wanted_since: datetime
    since: datetime
    counts: dict[str, int] = field(default_factory=dict)
    last: dict[str, datetime] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the whole time was read."""
        return self.since <= self.wanted_since

    def add(self, topic: str, at: datetime) -> None:
        """Count one delivery."""
        self.counts[topic] = self.counts.get(topic, 0) + 1
        self.last[topic] = max(at, self.last.get(topic, at))

    def rows(self) -> list[tuple[str, int, datetime | None]]:
        """Return each topic with its count and last time, those without any as well."""
        names = [*FOLDERS, *([UNPLACED] if UNPLACED in self.counts else [])]
        return [(name, self.counts.get(name, 0), self.last.get(name)) for name in names]


@dataclass(frozen=True, slots=True)
class DeliveryCounter:
    """Counts deliveries in a log. `read` yields its lines between two times, each with its time."""

    read: Reader
    seconds: float = 20.0
    monotonic: Callable[[], float] = time.monotonic

    def count(self, now: datetime, back: timedelta, report: Progress) -> Deliveries:
        """Return the deliveries of the time before `now`; of less where reading takes too long."""
        found = Deliveries(wanted_since=now - back, since=now)
        until = self.monotonic() + self.seconds
        for begin, end in windows(now, back):
            if self.monotonic() >= until:
                break
            for at, text in self.read(begin, end):
                if topic := accepted_topic(text):
                    found.add(topic, at)
            found.since = begin
            report(round((now - begin) / timedelta(hours=1)), round(back / timedelta(hours=1)), "hours")
        return found


def windows(now: datetime, back: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Yield windows from `now` backwards that together are this long."""
    end, number = now, 0
    while end > now - back:
        length = _WINDOWS[min(number, len(_WINDOWS) - 1)]
        begin = max(end - length, now - back)
        yield begin, end
        end, number = begin, number + 1


def accepted_topic(text: str) -> str | None:
    """Return the topic of a line of the receiver about an accepted delivery; None for every other line.

    A probe is none, nor is a line of another service that has the same word in it.
    """
    try:
        line: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or line.get("message") != "accepted":
        return None
    topic = line.get("topic")
    if topic is None or (topic in FOLDERS and line.get("reason")):
        return UNPLACED
    return str(topic) if topic in FOLDERS else None


def log_reader(stack: Stack, word: str = "accepted") -> Reader:
    """Return what reads the stack's log between two times: the lines that have this word."""
    logs, group = stack.client("logs"), stack.output("LogGroup")

    def read(begin: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group,
            startTime=_milliseconds(begin),
            # The end of AWS's range is included; the next window begins there.
            endTime=_milliseconds(end) - 1,
            filterPattern=f'"{word}"',
        )
        for page in pages:
            for event in page["events"]:
                yield datetime.fromtimestamp(event["timestamp"] / 1000, UTC), event["message"]

    return read


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
