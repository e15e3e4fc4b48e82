"""fanout: sends what a write of the members table carries: which member changed, alerts, rechecks, grants and counts.

The write of a record carries its effects in an outbox; the table's stream brings each write here, once or more.
This function alone sends them on. Every receiver accepts a message twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.ingest.fanout import fan_out
from relay.queues.batch import Context
from relay.wiring.functions import FanoutServices
from relay.wiring.services import limit_calls, service


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Send what a batch of the stream carries; on a failure, name the first write that was not sent."""
    limit_calls(context)
    services = service(FanoutServices)
    failed = fan_out(
        event["Records"],
        services.changes,
        services.alerts,
        services.telemetry,
        services.rechecks,
        kpis=services.kpis,
        grants=services.grants,
        dead_letters=services.dead_letters,
    )
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}
