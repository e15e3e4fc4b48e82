"""Relay's metrics in CloudWatch, each with its unit and functions, and the outcomes that its log names.

A metric is a billed series for every set of dimensions ($0.30 a month), so there are few, and each has one
dimension: the stack's name, which tells two stacks of an account apart. `CrmLag` has the service as well. What is
counted by topic, reason or event is counted in the log. Standard library only: the receiver imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

NAMESPACE: Final = "Relay"

STACK: Final = "stack"
SERVICE: Final = "service"
"""The dimensions. A service is `POWERTOOLS_SERVICE_NAME` of a function, such as `hubspot`."""

TOPICS: Final = "topics"
"""What the 15 topic functions are together in `measured_by`: the log names the topic."""

Outcome: TypeAlias = Literal[
    # The end of a message in its queue (`queues/batch.py`).
    "deferred",
    "returned",
    "dead",
    # The end of an event, as its journal line has it.
    "applied",
    "stale",
    "repeat",
    "ignored",
    "probe",
    "unclaimed",
    # a topic's consumer: a delivery of another topic went to its own queue
    "handed_on",
    # unclaimed
    "unclaimed_placed",
    "unclaimed_given_up",
    "unclaimed_kept",
    # fanout
    "not_sent",
    "never_sent",
    "unreadable_outbox",
    "grant_without_api",
    "kpi_not_stored",
    "webhook_count_not_stored",
    # notifier
    "alert_sent",
    "alert_deferred",
    "alert_suppressed",
    "incident_action",
    "incident_action_refused",
    "members_not_read",
    "figures_not_read",
    # crm_sync
    "skipped",
    "refused",
    "waiting",
    "notes_dropped",
    "identity_conflict",
    # reconcile
    "already_consistent",
    "already_read",
    "reconciled",
    "not_found",
    "asked_again",
    "full_run_began",
    "full_run_stopped",
    "full_run_finished",
    "subscriptions_checked",
    # grants
    "granted",
    "already_granted",
    "grant_ignored",
    "grant_over_budget",
    "grant_unknown",
    # clock
    "tick_failed",
    "unreadable_members",
    "letters_archived",
    "erasures_swept",
]
"""The first words of a log line. Its fields say the rest: `event_id`, `topic`, `reason` and more."""

Unit: TypeAlias = Literal["Count", "Seconds"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. `measured_by` names folders below functions/, or `TOPICS`; others only log what it would count.

    `by_service` makes a series for each service.
    """

    name: str
    unit: Unit
    measured_by: tuple[str, ...]
    by_service: bool = False


_QUEUE_FUNCTIONS: Final = (TOPICS, "crm_sync", "notifier", "reconcile", "grants")

RECEIVED: Final = Metric("Received", "Count", ("receiver",))
"""Webhooks that were queued."""

REFUSED: Final = Metric("Refused", "Count", ("receiver",))
"""Webhooks that were not queued: a bad key or token, too large, or no answer from the queue."""

SHAPE_DRIFT: Final = Metric("ShapeDrift", "Count", (TOPICS,))
"""Fields of an event that differ from its topic's known shape."""

WAITING_AGE: Final = Metric("WaitingAge", "Seconds", _QUEUE_FUNCTIONS)
"""The age of the oldest message that a function defers, and of the oldest that the notifier receives.

To SQS a deferred message is a new one. The notifier gets a tick every 15 minutes, so the series ends with the notifier.
"""

MISCONFIGURED: Final = Metric("Misconfigured", "Count", _QUEUE_FUNCTIONS)
"""Deferrals that end only when a person changes a setting or a credential."""

CRM_LAG: Final = Metric("CrmLag", "Seconds", ("crm_sync",), by_service=True)
"""The age of the oldest change that was just applied to a CRM."""

CRM_NOT_TAKEN: Final = Metric("CrmNotTaken", "Count", ("crm_sync",))
"""A value for each member in a call: 1 where the CRM did not take it (it waits or is refused), else 0.

So the sum is how many, the number of samples how many were written in all, and the average the share: one series.
"""

ALERTS_SENT: Final = Metric("AlertsSent", "Count", ("notifier",))
"""Messages that a channel has accepted."""

FAILURE_SPIKE: Final = Metric("FailureSpike", "Count", ("clock",))
CANCEL_SPIKE: Final = Metric("CancelSpike", "Count", ("clock",))
MANUAL_CREDITS: Final = Metric("ManualCredits", "Count", ("clock",))
SILENCE: Final = Metric("Silence", "Count", ("clock",))
"""The conditions of the programme: 0 or 1 at every tick."""

METRICS: Final = (
    RECEIVED,
    REFUSED,
    SHAPE_DRIFT,
    WAITING_AGE,
    MISCONFIGURED,
    CRM_LAG,
    CRM_NOT_TAKEN,
    ALERTS_SENT,
    FAILURE_SPIKE,
    CANCEL_SPIKE,
    MANUAL_CREDITS,
    SILENCE,
)


def embedded(metric: Metric, value: float, *, stack: str, service: str, at_ms: int) -> dict[str, Any]:
    """Return the fields that make a line of the log a measurement (CloudWatch's embedded metric format)."""
    dimensions = {STACK: stack, SERVICE: service} if metric.by_service else {STACK: stack}
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": metric.name, "Unit": metric.unit}],
    }
    return {
        STACK: stack,
        SERVICE: service,
        metric.name: value,
        "_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]},
    }
