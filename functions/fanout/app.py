"""From the members table to everybody else: which member changed, and what people should be told.

The record's write carried its effects in an outbox; the table's stream brings each write here, once or
more. This function alone sends them on, and keeps what the programme's figures count. Whoever receives them can bear to get them twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.ingest.fanout import fan_out
from relay.wiring.functions import FanoutServices
from relay.wiring.services import service


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Send what a batch of the stream has to tell; on a failure, name the first write that was not sent."""
    services = service(FanoutServices)
    failed = fan_out(
        event["Records"],
        services.changes,
        services.alerts,
        services.telemetry,
        services.rechecks,
        figures=services.kpis,
        grants=services.grants,
    )
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}
