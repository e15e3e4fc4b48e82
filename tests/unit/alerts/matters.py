"""A matter after what was told of it, and what it still owes."""

from __future__ import annotations

from collections.abc import Sequence

from relay.alerts.transitions import apply
from relay.model.incident import Incident
from relay.model.messages import AlertMessage

from tests.support.incident_builders import INCIDENT_KEY, alert_message

CHANNELS = ("email", "slack")
NEW = Incident(key=INCIDENT_KEY)


def after(*alert_messages: AlertMessage, channels: Sequence[str] = CHANNELS) -> Incident:
    incident = NEW
    for told in alert_messages:
        incident = apply(incident, told, channels)
    return incident


def owed(incident: Incident, channel: str = "slack") -> list[str]:
    return [f"{item.kind} {item.alert_message.event_id}" for item in incident.owed if channel in item.parts]


OPEN = alert_message("e1", minute=10)
CLOSE = alert_message("e2", minute=20, action="close")
