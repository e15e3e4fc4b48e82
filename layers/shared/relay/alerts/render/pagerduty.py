"""A notification as a PagerDuty event: a trigger or a resolve, without the routing key.

Limits are those of the Events API v2: summary 1,024 characters, dedup key 255. Longer texts are cut; a longer key
ends in a hash of the whole, so that two long keys stay different.
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import Any, Final

from relay.alerts.render.content import content_of
from relay.alerts.render.plain_text import cut
from relay.model.effects import Level
from relay.ports.alerts import Notification

_SUMMARY: Final = 1_024
_KEY: Final = 255
_LABEL: Final = 80
_VALUE: Final = 500
_DETAILS: Final = 50
_SEVERITIES: Final = {
    Level.INFO: "info",
    Level.WARNING: "warning",
    Level.ERROR: "error",
    Level.CRITICAL: "critical",
}


def pagerduty_event(notification: Notification, source: str) -> dict[str, Any] | None:
    """Return the event; None for an update, which PagerDuty does not get. `source` is the shop."""
    key = dedup_key(notification.alert_message.alert.incident_key)
    match notification.kind:
        case "resolved":
            return {"event_action": "resolve", "dedup_key": key}
        case "updated":
            return None
    content, alert_message = content_of(notification), notification.alert_message
    details = {cut(label, _LABEL): cut(value, _VALUE) for label, value in content.details[:_DETAILS]}
    if content.advice:
        details["What to do"] = cut(content.advice, _VALUE)
    return {
        "event_action": "trigger",
        "dedup_key": key,
        "client": "Relay",
        "payload": {
            "summary": cut(content.title, _SUMMARY),
            "source": source,
            "severity": _SEVERITIES[alert_message.alert.level],
            "timestamp": alert_message.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "component": "relay",
            "class": cut(content.rule, _VALUE),
            "custom_details": details,
        },
    }


def dedup_key(incident_key: str) -> str:
    """Return the key under which PagerDuty opens, escalates and resolves an incident."""
    if len(incident_key) <= _KEY:
        return incident_key
    suffix = hashlib.sha256(incident_key.encode()).hexdigest()[:16]
    return f"{incident_key[: _KEY - len(suffix) - 1]}~{suffix}"
