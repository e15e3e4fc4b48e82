"""Relay's metrics in CloudWatch, each with its unit and functions, and the outcomes that its log names.

A metric is a billed series for every set of dimensions ($0.30 a month), so there are few, and each has the
same two dimensions: the shop and the service. A value that is needed only after an alarm is a field of a log line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

NAMESPACE: Final = "Relay"

SHOP: Final = "shop"
SERVICE: Final = "service"
"""The dimensions. A service is `POWERTOOLS_SERVICE_NAME` of a function; the 15 topics are one service."""

TOPICS: Final = "topics"
"""The service of all topic functions: the log names the topic."""

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
    # crm_sync
    "skipped",
    "refused",
    "identity_conflict",
    # reconcile
    "already_consistent",
    "already_read",
    "reconciled",
    "not_found",
    # grants
    "granted",
    "already_granted",
    "grant_ignored",
    "grant_over_budget",
    "grant_unknown",
    # clock
    "tick_failed",
    "unreadable_members",
]
"""The first words of a log line. Its fields say the rest: `event_id`, `topic`, `reason` and more."""

Unit: TypeAlias = Literal["Count", "Seconds"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. `measured_by` names folders below functions/, or `TOPICS`; others only log what it would count."""

    name: str
    unit: Unit
    measured_by: tuple[str, ...]


RECEIVED: Final = Metric("Received", "Count", ("receiver",))
"""Webhooks that were queued."""

REFUSED: Final = Metric("Refused", "Count", ("receiver",))
"""Webhooks that were not queued: a bad key or token, too large, or no answer from the queue."""

SHAPE_DRIFT: Final = Metric("ShapeDrift", "Count", (TOPICS,))
"""Fields of an event that differ from its topic's known shape."""

DEFERRED_AGE: Final = Metric("DeferredAge", "Seconds", ("crm_sync",))
"""The age of the oldest message that was deferred. To SQS a deferred message is a new one."""

MISCONFIGURED: Final = Metric("Misconfigured", "Count", ("crm_sync", "notifier", "reconcile"))
"""Deferrals that end only when a person changes a setting."""

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
    DEFERRED_AGE,
    MISCONFIGURED,
    ALERTS_SENT,
    FAILURE_SPIKE,
    CANCEL_SPIKE,
    MANUAL_CREDITS,
    SILENCE,
)
