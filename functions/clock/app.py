"""One tick every 15 minutes for all that is due: reminders, the digest, spikes and silence, what could not be placed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.scheduler.tick_time import tick_time
from relay.wiring import clock, common


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Do what is due at the tick's scheduled time; returns what was done, by part."""
    now = tick_time(event, common.now())
    try:
        return {"at": now.isoformat(), **clock.clockwork().tick(now, context)}
    finally:
        common.telemetry().flush()
