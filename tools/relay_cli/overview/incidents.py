"""The open incidents as a person at night reads them: title, member, amount, age, and the link to the customer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from relay.alerts.render.content import customer_link

if TYPE_CHECKING:
    from relay.model.incident import Incident
    from relay.model.messages import AlertMessage

_AMOUNTS: Final = ("Amount", "Balance now", "Balance", "Granted", "Expired")
"""The labels of an alert's details that are money, in the order in which one is chosen."""


def incident_rows(incidents: Iterable[Incident], now: datetime) -> list[dict[str, Any]]:
    """Return the incidents, the most severe first and among these the oldest. A member is named by customer id."""
    ordered = sorted(incidents, key=lambda one: (-(one.level or 0), _age(one, now) * -1, one.key))
    return [_row(one, now) for one in ordered]


def _row(incident: Incident, now: datetime) -> dict[str, Any]:
    said = last_message(incident)
    shop, _, customer = (said.member if said else "").rpartition(":")
    return {
        "incident": incident.key,
        "level": incident.level.name.lower() if incident.level else "info",
        "title": said.alert.title if said else None,
        "customer": customer or None,
        "amount": _amount(said) if said else None,
        "opened_at": incident.opened_at,
        "age_seconds": _age(incident, now),
        "link": customer_link(shop, customer) or None,
        "acknowledged_by": incident.acknowledged_by or None,
        "muted_until": incident.muted_until if incident.muted_until and incident.muted_until > now else None,
    }


def last_message(incident: Incident) -> AlertMessage | None:
    """Return the newest alert message that the incident still has; None where no channel was ever to get one."""
    said = [
        *(thread.first_message for thread in incident.threads.values()),
        *(one.alert_message for one in incident.pending),
        *((incident.deferred.alert_message,) if incident.deferred else ()),
    ]
    return max(said, key=lambda one: one.at, default=None)


def _amount(said: AlertMessage) -> str | None:
    details = dict(said.alert.details)
    return next((details[label] for label in _AMOUNTS if details.get(label)), None)


def _age(incident: Incident, now: datetime) -> float:
    return (now - incident.opened_at).total_seconds() if incident.opened_at else 0.0
