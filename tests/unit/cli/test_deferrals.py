"""Why messages are deferred, from lines of the log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from relay_cli.overview.deferrals import newest_reasons

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def line(service: object, reason: object, **more: object) -> str:
    """Return a line as a function logs it."""
    return json.dumps({"message": "deferred", "service": service, "reason": reason, **more})


def reasons(lines: Mapping[int, str], *, seconds: float = 5.0) -> dict[str, str]:
    """Return the reasons in a log that has these lines, by minutes before now; each window takes a second to read."""
    clock = iter(range(1_000))

    def read(begin: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
        for minutes in sorted(lines, reverse=True):
            if begin <= (at := NOW - timedelta(minutes=minutes)) < end:
                yield at, lines[minutes]

    return newest_reasons(read, NOW, seconds=seconds, monotonic=lambda: float(next(clock)))


def test_the_newest_line_of_a_function_says_why_its_queue_waits() -> None:
    """The queue of the notifier is called alerts. Without a text of ours the class of the error is shown."""
    assert reasons(
        {
            12: line("notifier", "slack: HTTP 500"),
            3: line("notifier", "slack: HTTP 502"),
            2: line("notifier", "slack: HTTP 503"),
            1: line("hubspot", None, error="KeyError"),
        }
    ) == {"alerts": "slack: HTTP 503", "hubspot": "KeyError"}


def test_other_lines_say_nothing() -> None:
    """No JSON, another outcome, and a line without a function."""
    assert (
        reasons({4: "deferred", 3: "[]", 2: line("hubspot", "x", message="dead"), 1: line(None, "x")}) == {}
    )


def test_a_long_log_is_read_from_its_end_and_not_to_its_beginning() -> None:
    """The status does not wait for what is old."""
    lines = {1.0: line("hubspot", "new"), 19.0: line("updated", "old")}
    assert reasons(lines) == {"hubspot": "new", "updated": "old"}
    assert reasons(lines, seconds=2.0) == {"hubspot": "new"}
