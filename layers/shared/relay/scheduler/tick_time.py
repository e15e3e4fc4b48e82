"""The time that a tick of the clock stands for: scheduled time, so that a month can be played in minutes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def tick_time(event: Mapping[str, Any], otherwise: datetime) -> datetime:
    """Return the scheduled time that the tick carries as `time` (ISO 8601); `otherwise` where it carries none."""
    try:
        moment = datetime.fromisoformat(event["time"])
    except (KeyError, TypeError, ValueError):
        return otherwise
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
