"""The dashboard of a stack: what came in, how long it took, what waits and what failed, for all topics and CRMs.

`dashboard` is one section of template.yaml. A CRM that a stack does not have shows as an empty line. Numbers by
topic, reason and kind are counted in the log when a person looks; a metric of each would cost more than the stack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any, Final

from relay.model.metrics import (
    ALERTS_SENT,
    CRM_LAG,
    NAMESPACE,
    RECEIVED,
    REFUSED,
    SERVICE,
    SHAPE_DRIFT,
    STACK,
    WAITING_AGE,
)
from relay.topics import FOLDERS

from stack_template.crms import CRMS

_STACK: Final = "${AWS::StackName}"
_WIDTH: Final = 12
_HEIGHT: Final = 6
_COUNTS: Final = (RECEIVED, REFUSED, SHAPE_DRIFT, ALERTS_SENT)
_OTHERS: Final = ("receiver", "fanout", "notifier", "slack_actions", "reconcile", "grants", "clock")

QUERIES: Final[Mapping[str, str]] = {
    "Set aside, by reason": (
        'filter message in ["accepted", "dead", "unclaimed_given_up", "stale", "ignored"] '
        'and (ispresent(reason) or message in ["stale", "ignored"]) '
        "| stats count(*) as events by message, reason, topic | sort events desc"
    ),
    "From event to effect: seconds to the record (applied) and to people (alert_sent)": (
        'filter ispresent(age) and message in ["applied", "alert_sent"] '
        "| stats pct(age, 50) as p50, pct(age, 99) as p99, count(*) as number by message, bin(1h)"
    ),
    "Effects by kind": (
        'filter message in ["applied", "alert_sent", "alert_deferred", "alert_suppressed", "granted", "reconciled"] '
        "| stats count(*) as number by message, rule, topic | sort number desc"
    ),
    "Deferrals, by reason": (
        'filter message = "deferred" | stats sum(messages) as deferred, max(most_deferrals) as times '
        "by service, error, reason | sort deferred desc"
    ),
}
"""The widgets that read the log, by title."""


def dashboard() -> str:
    """Return the dashboard's resource."""
    widgets = [
        _graph("Webhooks, drift and alerts", [[NAMESPACE, m.name, STACK, _STACK] for m in _COUNTS], "Sum"),
        _graph("Refused and failed at the API", _api(), "Sum"),
        _graph("Queue depth", _queues(), "Maximum"),
        _graph("Age of what waits (s), and of the stream (ms, right)", _ages(), "Maximum"),
        _graph("CRM lag", [_lag(crm.target) for crm in CRMS], "Maximum"),
        _graph("Errors", [_lambda("Errors", name) for name in _functions()], "Sum"),
        *(_table(title, query) for title, query in QUERIES.items()),
    ]
    placed = [
        {"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT, "width": _WIDTH, "height": _HEIGHT, **widget}
        for number, widget in enumerate(widgets)
    ]
    lines = ",\n".join(json.dumps(widget, ensure_ascii=False) for widget in placed)
    body = f'{{"widgets": [\n{lines}\n]}}\n'
    return (
        "  Dashboard:\n    Type: AWS::CloudWatch::Dashboard\n    Properties:\n"
        f"      DashboardName: !Sub {_STACK}\n      DashboardBody: !Sub |\n{indent(body, ' ' * 8)}"
    )


def _functions() -> Sequence[str]:
    return [*FOLDERS.values(), *(crm.target for crm in CRMS), *_OTHERS]


def _queues() -> list[list[Any]]:
    names = [*FOLDERS.values(), *(crm.target for crm in CRMS), "alerts", "reconcile", "grants"]
    depth = "ApproximateNumberOfMessagesVisible"
    return [
        ["AWS/SQS", depth, "QueueName", f"{_STACK}-{name}"] for name in (*names, "unclaimed", "dead-letters")
    ]


def _ages() -> list[list[Any]]:
    return [
        [NAMESPACE, WAITING_AGE.name, STACK, _STACK],
        [*_lambda("IteratorAge", "fanout"), {"yAxis": "right"}],
    ]


def _api() -> list[list[Any]]:
    counts = [["AWS/ApiGateway", name, "ApiId", "${Api}"] for name in ("Count", "4xx", "5xx")]
    return [*counts, _lambda("Throttles", "receiver")]


def _lag(target: str) -> list[Any]:
    return [NAMESPACE, CRM_LAG.name, STACK, _STACK, SERVICE, target]


def _lambda(metric: str, name: str) -> list[Any]:
    return ["AWS/Lambda", metric, "FunctionName", f"{_STACK}-{name}"]


def _graph(title: str, metrics: Sequence[Any], statistic: str) -> dict[str, Any]:
    properties = {
        "title": title,
        "region": "${AWS::Region}",
        "stat": statistic,
        "period": 300,
        "metrics": metrics,
    }
    return {"type": "metric", "properties": properties}


def _table(title: str, query: str) -> dict[str, Any]:
    properties = {
        "title": title,
        "region": "${AWS::Region}",
        "view": "table",
        "query": f"SOURCE '${{Logs}}' | {query}",
    }
    return {"type": "log", "properties": properties}
