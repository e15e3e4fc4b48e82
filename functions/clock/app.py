"""clock: one tick every 15 minutes does what is due: reminders, the digest, the programme's conditions, unclaimed webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.scheduler.tick import tick_time
from relay.wiring.clock import ClockServices
from relay.wiring.services import limit_calls, now, service


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Do what is due at the tick's scheduled time; return the result of each part."""
    limit_calls(context)
    at = tick_time(event, now())
    return {"at": at.isoformat(), **service(ClockServices).scheduler.tick(at, context)}
