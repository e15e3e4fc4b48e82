"""What an alert message means to its incident as it stands, and who is to hear of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from relay.model.effects import Level
from relay.model.incident import UNCONFIRMED, DeliveryState, Incident
from relay.model.messages import AlertMessage

Classification: TypeAlias = Literal[
    "opening", "rise", "joined", "mention", "closing", "tombstone", "stale", "known", "notice"
]

RESOLVED_QUIETLY: Final = frozenset({"pagerduty"})
"""Channels in which an end wakes nobody, and without which an incident would stay open for good: a matter
that is muted is closed there all the same."""


def classify(incident: Incident, alert_message: AlertMessage) -> Classification:
    """Say what an alert message means to the incident as it stands."""
    if alert_message.event_id in incident.told:
        return "known"
    alert = alert_message.alert
    if alert.action == "close":
        ends = incident.newest_at is not None and alert_message.at >= incident.newest_at
        return "closing" if incident.open and ends else "tombstone"
    if alert.action == "mention" and (incident.open or not alert.at_once):
        began = incident.opened_at is not None and alert_message.at >= incident.opened_at
        return "mention" if incident.open and began else "stale"
    if incident.closed_at is not None and alert_message.at <= incident.closed_at:
        return "stale"
    if not incident.open:
        return "opening"
    return "rise" if incident.level is None or alert_message.alert.level > incident.level else "joined"


def addressees(incident: Incident, alert_message: AlertMessage, channels: Iterable[str]) -> tuple[str, ...]:
    """Return who is to hear of an alert message, where an opening at its level is for `channels`.

    A rise is for those as well who have heard of the matter before. A closing and a mention are for them
    alone: one of them that is down has the opening first and the closing next, late but whole, for a
    closing can be bad news as well. What is `at_once` is for `channels` where nobody has heard anything.
    """
    verdict, level = classify(incident, alert_message), alert_message.alert.level
    had = _had_opening(incident)
    if incident.muted_until is not None and alert_message.at < incident.muted_until:
        return tuple(name for name in had if name in RESOLVED_QUIETLY) if verdict == "closing" else ()
    if incident.acked and verdict in {"rise", "mention"} and level < Level.CRITICAL:
        return ()
    if verdict == "opening" or notify_even_if_unannounced(incident, alert_message):
        return tuple(channels)
    if verdict == "rise":
        return tuple(dict.fromkeys((*incident.reached, *channels)))
    return had if verdict in {"mention", "closing"} else ()


def notify_even_if_unannounced(incident: Incident, alert_message: AlertMessage) -> bool:
    """Tell whether it is to be told though nobody has heard of the matter: that a fee is lost, for one.

    Its beginning may have been silent, held back, switched off or overtaken.
    """
    verdict = classify(incident, alert_message)
    if not alert_message.alert.at_once:
        return False
    if verdict == "tombstone":
        newer = incident.closed_at is None or alert_message.at > incident.closed_at
        return newer and not incident.open
    return verdict in {"mention", "closing"} and not incident.reached


def _had_opening(incident: Incident) -> tuple[str, ...]:
    """Return the channels that are to hear of the end: not those that refused the beginning."""
    refused = {
        channel
        for owed in incident.owed
        for channel, part in owed.parts.items()
        if owed.kind == "opening" and part.state is DeliveryState.GIVEN_UP and part.reason != UNCONFIRMED
    }
    return tuple(channel for channel in incident.reached if channel not in refused)
