"""What a person's action does to an incident: acknowledged or muted, said once in its thread. Pure.

The notifier applies the actions that come from Slack, `relay ack` and `relay mute` apply their own at once; the same
action applied twice changes nothing the second time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from relay.alerts.pending import enqueue
from relay.alerts.transitions import QUIET_CHANNELS, remember
from relay.alerts.waiting import drop_deferred
from relay.model.effects import Alert, Level
from relay.model.incident import Incident
from relay.model.incident_action import INCIDENT_ACTION_TOPIC, IncidentAction
from relay.model.messages import AlertMessage

ActionResult: TypeAlias = Literal["applied", "seen", "over", "no_change"]
"""`seen`: this very action was applied before. `no_change`: another one was, which did the same."""

THREAD_CHANNELS: Final = frozenset({"slack"})
"""Channels that say who has an incident: where people talk about it."""


def result_of(incident: Incident, action: IncidentAction) -> ActionResult:
    """Return what an action means to the incident in its present state."""
    if action.id in incident.seen_event_ids:
        return "seen"
    if not incident.active or (action.thread_id and action.thread_id != incident.thread_id):
        return "over"
    if action.verb == "acknowledge":
        return "no_change" if incident.acknowledged else "applied"
    is_muted = incident.muted_until is not None and incident.muted_until > action.at
    return "no_change" if is_muted == (action.verb == "mute") else "applied"


def act(incident: Incident, action: IncidentAction) -> Incident:
    """Return the incident after an action, with a notification for its thread where it is open to people."""
    if action.id in incident.seen_event_ids:
        return incident
    after = remember(incident, action.id)
    if action.verb == "acknowledge":
        after = replace(after, acknowledged=True, acknowledged_by=action.by)
        waiting = after.deferred
        if waiting and waiting.kind in {"escalated", "updated"} and waiting.alert_message.alert.outcome:
            # Said all the same, as it would be now: in the thread.
            quiet = tuple(name for name in waiting.channels if name in QUIET_CHANNELS)
            after = replace(after, deferred=replace(waiting, channels=quiet or waiting.channels))
        elif waiting and waiting.kind in {"escalated", "updated"}:
            # It would not have been sent now, and is no more due at the next tick.
            after = drop_deferred(after, waiting)
    else:
        after = replace(after, muted_until=action.until, muted_by=action.by)
    if not incident.active:
        return after
    return enqueue(after, _alert_message(incident, action), "action", _thread_channels(incident))


def answer_to(result: ActionResult, incident: Incident, action: IncidentAction) -> str:
    """Return what the person is told whose action changed nothing; empty where the thread says it."""
    if result == "over":
        return "This incident is over: there is nothing left to acknowledge or to mute."
    if result != "no_change":
        return ""
    if action.verb == "acknowledge":
        return f"{incident.acknowledged_by} has acknowledged this incident already."
    return f"{incident.muted_by} has muted this incident already, until {_time(incident.muted_until)}."


def _thread_channels(incident: Incident) -> list[str]:
    """Return the channels with a thread, or with one to come: an incoming webhook has posted, and keeps none."""
    thread = incident.threads.get(incident.thread_id)
    begun = thread.refs.keys() if thread else ()
    to_come = {
        channel
        for pending in incident.pending
        for channel in pending.deliveries
        if pending.kind == "opened" and pending.thread_id == incident.thread_id
    }
    return [
        name for name in incident.channels if name in THREAD_CHANNELS and (name in begun or name in to_come)
    ]


def _alert_message(incident: Incident, action: IncidentAction) -> AlertMessage:
    title, advice = _sentences(action)
    thread = incident.threads.get(incident.thread_id)
    return AlertMessage(
        id=action.id,
        event_id=action.id,
        topic=INCIDENT_ACTION_TOPIC,
        # The thread's first message is written anew, with the member that it is about.
        member=thread.first_message.member if thread else "",
        at=action.at,
        alert=Alert(
            rule=f"action.{action.verb}",
            incident_key=incident.key,
            level=incident.level or Level.INFO,
            title=title,
            action="update",
            advice=advice,
        ),
    )


def _sentences(action: IncidentAction) -> tuple[str, str]:
    match action.verb:
        case "acknowledge":
            return f"{action.by} acknowledged", "Escalations below critical are not sent; how it ends is."
        case "mute":
            return (
                f"{action.by} muted this until {_time(action.until)}",
                "Nothing below critical is sent meanwhile.",
            )
        case _:
            return f"{action.by} ended the mute", ""


def _time(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""
