"""What waits in which queue, and since when.

SQS says how many messages a queue has, and CloudWatch how old the oldest is. To SQS a deferred message is a new one, so
the functions measure the age of what they defer themselves (`WaitingAge`), for the whole stack.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from relay.model.metrics import CRM_LAG, NAMESPACE, SERVICE, STACK, WAITING_AGE

from relay_cli.overview.deferrals import BY_PLAN
from relay_cli.resources import QueueDepth
from relay_cli.stack import Stack

_LOOK_BACK: Final = timedelta(minutes=30)
_PERIOD: Final = 300
_QUERIES_A_CALL: Final = 500


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds: of the oldest message by queue, of the oldest deferred one of the stack, and how far each CRM is behind."""

    queues: Mapping[str, float]
    deferred: float | None
    crm_lag: Mapping[str, float]


def read_ages(stack: Stack, queues: Sequence[str], targets: Sequence[str], now: datetime) -> Ages:
    """Return the newest measurements of the last half hour; what was not measured is missing."""
    client = stack.client("cloudwatch")
    queries = ages_queries(stack.name, queues, targets)
    values: dict[str, float] = {}
    for start in range(0, len(queries), _QUERIES_A_CALL):
        pages = client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries[start : start + _QUERIES_A_CALL],
            StartTime=now - _LOOK_BACK,
            EndTime=now,
            ScanBy="TimestampDescending",
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                if result["Values"]:
                    values.setdefault(result["Id"], float(result["Values"][0]))
    return Ages(
        queues={name: values[f"q{n}"] for n, name in enumerate(queues) if f"q{n}" in values},
        deferred=values.get("deferred"),
        crm_lag={name: values[f"c{n}"] for n, name in enumerate(targets) if f"c{n}" in values},
    )


def ages_queries(stack: str, queues: Iterable[str], targets: Iterable[str]) -> list[dict[str, Any]]:
    """Return CloudWatch's queries for the ages: `q…` for queues, `c…` for targets, `deferred`."""
    queries = [
        _query(f"q{n}", "AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": f"{stack}-{name}"})
        for n, name in enumerate(queues)
    ]
    queries.append(_query("deferred", NAMESPACE, WAITING_AGE.name, {STACK: stack}))
    queries += [
        _query(f"c{n}", NAMESPACE, CRM_LAG.name, {STACK: stack, SERVICE: name})
        for n, name in enumerate(targets)
    ]
    return queries


def _query(query_id: str, namespace: str, metric: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            },
            "Period": _PERIOD,
            "Stat": "Maximum",
        },
    }


def waiting_rows(
    depths: Iterable[QueueDepth], ages: Ages, reasons: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the queues in which anything waits, the fullest first; `why` is why messages of it are deferred."""
    rows = [
        {
            "queue": depth.name,
            "waiting": depth.waiting,
            "deferred": depth.delayed,
            "in_flight": depth.in_flight,
            "oldest_seconds": ages.queues.get(depth.name),
            "why": reasons.get(depth.name, BY_PLAN) if depth.delayed else None,
        }
        for depth in depths
        if depth.total
    ]
    return sorted(rows, key=lambda row: (-row["waiting"] - row["deferred"] - row["in_flight"], row["queue"]))
