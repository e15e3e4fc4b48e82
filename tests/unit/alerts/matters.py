"""A matter after what was told of it, and what it still owes."""

from __future__ import annotations

from collections.abc import Sequence

from relay.alerts.transitions import apply
from relay.model.incident import Incident
from relay.model.messages import AlertMessage

from tests.support.incident_builders import OCCASION, telling

CHANNELS = ("email", "slack")
NEW = Incident(key=OCCASION)


def after(*tellings: AlertMessage, channels: Sequence[str] = CHANNELS) -> Incident:
    occasion = NEW
    for told in tellings:
        occasion = apply(occasion, told, channels)
    return occasion


def owed(occasion: Incident, channel: str = "slack") -> list[str]:
    return [f"{item.kind} {item.telling.event_id}" for item in occasion.owed if channel in item.parts]


OPEN = telling("e1", minute=10)
CLOSE = telling("e2", minute=20, action="close")
