"""How an incident goes on from one alert message to the next: it opens, grows worse, closes, or waits for a tick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from relay.alerts.classification import addressees, classify, notify_even_if_unannounced
from relay.alerts.pending import drop_failed, enqueue, tidied
from relay.model.incident import DeferReason, Deferred, Incident, NotificationKind
from relay.model.messages import AlertMessage

TOLD_KEPT: Final = 64
"""How many event ids an incident remembers. The times and the level alone swallow most repeats; the ids
are for an event that comes again with another time (it had none, so its receipt counts) or another level
(the rules were changed). The longest matter that the rules allow, a dunning of 30 attempts told by two
topics, fits whole; 64 ids weigh some 3 KB, and alerts are rare."""


def apply(
    incident: Incident,
    alert_message: AlertMessage,
    channels: Iterable[str],
    *,
    hold: DeferReason | None = None,
) -> Incident:
    """Return the incident after an alert message, which is owed to its addressees, or held back for a tick.

    An event is judged once, so a rule yields one alert at most for each incident.
    """
    verdict = classify(incident, alert_message)
    if verdict == "known":
        return incident
    heard_by = addressees(incident, alert_message, channels)
    # What is silent or stale is remembered too: dated by its receipt, its repeat would look like news.
    after = replace(incident, told=(*incident.told, alert_message.event_id)[-TOLD_KEPT:])
    at, level = alert_message.at, alert_message.alert.level
    if verdict in {"opening", "rise", "joined"}:
        lasting = alert_message.alert.lasting or (verdict != "opening" and after.lasting)
        after = replace(after, newest_at=_later(at, after.newest_at), lasting=lasting)
    if verdict in {"closing", "tombstone"}:
        after = replace(after, closed_at=_later(at, after.closed_at))
    match verdict:
        case "opening":
            after = replace(
                after, open=True, level=level, opened_at=at, reached=(), episode="", acked=False, held=None
            )
        case "rise":
            after = replace(after, level=level)
        case "closing":
            # What was held back of it has become nothing: whoever heard nothing has nothing to hear of.
            after = replace(drop_failed(after), open=False, held=None)
        case "stale" | "joined":
            return after
    if not heard_by:
        return tidied(after)
    kind = _kind(incident, alert_message)
    if hold:
        return replace(
            after, held=Deferred(alert_message=alert_message, kind=kind, channels=heard_by, why=hold)
        )
    return enqueue(after, alert_message, kind, heard_by)


def notice(incident: Incident, alert_message: AlertMessage, channels: Iterable[str]) -> Incident:
    """Return the incident after something that is told once and is over at once: a digest, a roll-up."""
    if alert_message.event_id in incident.told:
        return incident
    after = replace(
        incident, told=(*incident.told, alert_message.event_id)[-TOLD_KEPT:], opened_at=alert_message.at
    )
    return enqueue(after, alert_message, "notice", channels)


def release_deferred(incident: Incident) -> Incident:
    """Return the incident with what was held back owed."""
    held = incident.held
    if held is None:
        return incident
    return enqueue(replace(incident, held=None), held.alert_message, held.kind, held.channels)


def drop_deferred(incident: Incident) -> Incident:
    """Return the incident with nothing held back: it was told in another way, or is not to be told."""
    return tidied(replace(incident, held=None))


def _kind(incident: Incident, alert_message: AlertMessage) -> NotificationKind:
    """Return as what an alert message is told that somebody is to hear."""
    match classify(incident, alert_message):
        case "rise" | "mention" as verdict:
            # A matter that began in silence begins for people when they hear of it first.
            return verdict if incident.reached else "opening"
        case "closing" | "tombstone":
            return "notice" if notify_even_if_unannounced(incident, alert_message) else "closing"
        case _:
            return "opening"


def _later(at: datetime, known: datetime | None) -> datetime:
    return at if known is None else max(at, known)
