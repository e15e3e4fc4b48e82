"""What waits for a clock tick in an incident: the newest notification, and those before it that it does not include. Pure.

An end and an outcome are said once each, whatever comes while they wait: a next opening, or an update. An end includes
the outcomes of its own incident, and takes their place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from relay.alerts.pending import enqueue, prune_threads
from relay.model.incident import MAX_KEPT, Deferred, Incident


def waiting_of(incident: Incident, event_id: str) -> Deferred | None:
    """Return what this event's notification is, where it waits."""
    every = (*incident.kept, *filter(None, (incident.deferred,)))
    return next((one for one in every if one.alert_message.event_id == event_id), None)


def release_deferred(incident: Incident, waiting: Deferred) -> Incident:
    """Return the incident with a notification that waited pending."""
    thread_id = waiting.thread_id if waiting in incident.kept else None
    after = _without(incident, waiting)
    return enqueue(after, waiting.alert_message, waiting.kind, waiting.channels, thread_id=thread_id)


def drop_deferred(incident: Incident, waiting: Deferred) -> Incident:
    """Return the incident without a notification that waited: a roll-up includes it, or the incident is muted."""
    return prune_threads(_without(incident, waiting))


def _without(incident: Incident, waiting: Deferred) -> Incident:
    kept = tuple(one for one in incident.kept if one != waiting)
    deferred = None if incident.deferred == waiting else incident.deferred
    return replace(incident, deferred=deferred, kept=kept)


def keep(incident: Incident, is_kept: Callable[[Deferred], bool]) -> Incident:
    """Return the incident whose waiting notification, where it is such a one, makes room for the next, and is not lost."""
    waiting = incident.deferred
    if waiting is None or not is_kept(waiting):
        return incident
    one = replace(waiting, thread_id=incident.thread_id)
    return replace(incident, deferred=None, kept=(*incident.kept, one)[-MAX_KEPT:])


def is_end(waiting: Deferred) -> bool:
    """Return whether a notification that waits is the end of its incident."""
    return waiting.alert_message.alert.action == "resolve"
