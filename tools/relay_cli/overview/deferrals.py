"""Why messages are deferred: the functions log the reasons of each batch, in the stack's one log.

SQS keeps a message back for 15 minutes at most, so whatever is deferred now was logged within the time that is read. A message
of which nothing was logged was sent with a delay: it waits by plan.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from relay_cli.overview.deliveries import Reader, log_reader
from relay_cli.stack import Stack

_QUEUES: Final = {"notifier": "alerts"}
"""The queue of a function that has another name than it."""

BY_PLAN: Final = "by plan: it is not due yet"
_LOOK_BACK: Final = timedelta(minutes=20)
_SECONDS: Final = 5.0


def read_reasons(stack: Stack, now: datetime) -> dict[str, str]:
    """Return by queue why its function deferred what it deferred last."""
    return newest_reasons(log_reader(stack, "deferred"), now)


def newest_reasons(
    read: Reader, now: datetime, *, seconds: float = _SECONDS, monotonic: Callable[[], float] = time.monotonic
) -> dict[str, str]:
    """Return the commonest reason in the newest line of each function: of the latest minutes first, as long as there is time."""
    found: dict[str, str] = {}
    until, end = monotonic() + seconds, now
    while end > now - _LOOK_BACK and monotonic() < until:
        begin = end - timedelta(minutes=5)
        found = _reasons(text for _, text in read(begin, end)) | found
        end = begin
    return found


def _reasons(lines: Iterable[str]) -> dict[str, str]:
    """Return the reason by queue; of several lines the last holds."""
    found: dict[str, str] = {}
    for text in lines:
        line = _line(text)
        reason = line.get("reason") or line.get("error")
        if line.get("message") == "deferred" and isinstance(line.get("service"), str) and reason:
            found[_QUEUES.get(line["service"], line["service"])] = str(reason)
    return found


def _line(text: str) -> Mapping[str, Any]:
    try:
        line: Any = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
