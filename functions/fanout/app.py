"""Sends what a write of the members table carries: which member changed, alerts, rechecks, grants and counts.

The write of a record carries its effects in an outbox; the table's stream brings each write here, once or more.
This function alone sends them on. Every receiver accepts a message twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.ingest.fanout import fan_out
from relay.wiring import clock, common, platform


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Send what a batch of the stream carries; on a failure, name the first write that was not sent."""
    telemetry = common.telemetry()
    try:
        failed = fan_out(
            event["Records"],
            common.changes(),
            common.alerts(),
            telemetry,
            platform.rechecks(),
            kpis=clock.figures(),
            grants=platform.grant_queue(),
        )
    finally:
        telemetry.flush()
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}
