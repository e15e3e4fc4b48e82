"""An announcement as an event of PagerDuty: a trigger or a resolve, without the key that addresses it.

Lengths are those of the Events API v2: summary 1,024, dedup key 255. What is longer is cut, and a key that
is too long ends in a hash of the whole, so that two of them stay two.
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import Any, Final

from relay.alerts.render.content import content, cut
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


def pagerduty(announcement: Notification, source: str) -> dict[str, Any] | None:
    """Return the event; None for what is no incident. `source` is where it happens: the shop."""
    key = dedup_key(announcement.alert_message.alert.incident_key)
    match announcement.kind:
        case "closing":
            return {"event_action": "resolve", "dedup_key": key}
        case "mention":
            return None
    said, alert_message = content(announcement), announcement.alert_message
    details = {cut(label, _LABEL): cut(value, _VALUE) for label, value in said.details[:_DETAILS]}
    if said.advice:
        details["What to do"] = cut(said.advice, _VALUE)
    return {
        "event_action": "trigger",
        "dedup_key": key,
        "client": "Relay",
        "payload": {
            "summary": cut(said.title, _SUMMARY),
            "source": source,
            "severity": _SEVERITIES[alert_message.alert.level],
            "timestamp": alert_message.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "component": "relay",
            "class": cut(said.rule, _VALUE),
            "custom_details": details,
        },
    }


def dedup_key(incident_key: str) -> str:
    """Return the key under which an incident is opened, raised and resolved."""
    if len(incident_key) <= _KEY:
        return incident_key
    ending = hashlib.sha256(incident_key.encode()).hexdigest()[:16]
    return f"{incident_key[: _KEY - len(ending) - 1]}~{ending}"
