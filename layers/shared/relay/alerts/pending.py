"""What an incident still owes to whom: each channel has every alert_message once, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from relay.model.incident import (
    UNCONFIRMED,
    ChannelDelivery,
    DeliveryState,
    Incident,
    NotificationKind,
    PendingNotification,
    Thread,
)
from relay.model.messages import AlertMessage

OWED_KEPT: Final = 20
"""How many alert_messages wait for a channel that is down. Beyond it the oldest give way, an opening always
before its closing, so that an alarm that flaps through an outage of days cannot outgrow its item."""


def next_pending(
    incident: Incident, event_id: str, skip: Iterable[str] = ()
) -> tuple[PendingNotification, str] | None:
    """Return the next alert_message and channel that stand between this event and being told; None when done.

    In the order in which they were owed, so that no channel hears of an end before the beginning. What
    is owed after this event's own alert_message is another message's work, and so is everything when this
    event joined silently: an outage is not to be probed by all who stand by.
    """
    own = incident.owed_by(event_id)
    if own is None:
        return None
    skipped = frozenset(skip)
    for owed in incident.owed[: incident.owed.index(own) + 1]:
        for channel, part in owed.parts.items():
            if channel not in skipped and part.state not in {DeliveryState.SENT, DeliveryState.GIVEN_UP}:
                return owed, channel
    return None


def mark(
    incident: Incident, event_id: str, channel: str, part: ChannelDelivery, thread: str | None = None
) -> Incident:
    """Return the incident with one channel's part as it is now; an alert message that all have is forgotten.

    `thread` is where the channel keeps what it has just been told, for whatever is added to the matter.
    """
    own = incident.owed_by(event_id)
    if thread and own and own.episode in incident.episodes:
        episode = incident.episodes[own.episode]
        threads = {**episode.threads, channel: thread}
        episodes = {**incident.episodes, own.episode: replace(episode, threads=threads)}
        incident = replace(incident, episodes=episodes)

    def parts_of(owed: PendingNotification) -> Mapping[str, ChannelDelivery]:
        ours = owed.alert_message.event_id == event_id and channel in owed.parts
        return {**owed.parts, channel: part} if ours else owed.parts

    return with_parts(incident, parts_of)


def drop(incident: Incident, channel: str) -> Incident:
    """Owe nothing more to a channel that is no longer configured."""
    return with_parts(
        incident, lambda owed: {name: part for name, part in owed.parts.items() if name != channel}
    )


def retry_failed(incident: Incident, event_id: str) -> Incident:
    """Try again what was given up: a person has redriven this event. What was unclear still is."""
    own = incident.owed_by(event_id)
    parts = own.parts if own else {}
    for channel, part in parts.items():
        if part.state is DeliveryState.GIVEN_UP:
            state = DeliveryState.SENDING if part.reason == UNCONFIRMED else DeliveryState.UNSENT
            incident = mark(incident, event_id, channel, ChannelDelivery(state=state))
    return incident


def with_parts(
    incident: Incident, parts_of: Callable[[PendingNotification], Mapping[str, ChannelDelivery]]
) -> Incident:
    """Return the incident with the parts of all that is owed as `parts_of` says; what all have is forgotten."""
    changed = (replace(owed, parts=parts_of(owed)) for owed in incident.owed)
    unfinished = tuple(
        owed for owed in changed if any(part.state is not DeliveryState.SENT for part in owed.parts.values())
    )
    return tidied(replace(incident, owed=unfinished))


def enqueue(
    incident: Incident, alert_message: AlertMessage, kind: NotificationKind, channels: Iterable[str]
) -> Incident:
    """Return the incident with an alert message owed to these channels."""
    parts = {channel: ChannelDelivery() for channel in channels}
    if not parts:
        return incident
    if kind == "opening":
        episodes = {**incident.episodes, alert_message.event_id: Thread(first=alert_message)}
        incident = replace(incident, episode=alert_message.event_id, episodes=episodes)
    owing = PendingNotification(alert_message=alert_message, kind=kind, parts=parts, episode=incident.episode)
    # A rise that is told at once stands for the smaller one that waited for its tick.
    held = None if kind in {"opening", "rise"} else incident.held
    reached = tuple(dict.fromkeys((*incident.reached, *parts)))
    return tidied(replace(incident, owed=(*incident.owed, owing)[-OWED_KEPT:], reached=reached, held=held))


def tidied(incident: Incident) -> Incident:
    """Forget episodes to which nothing can be added any more."""
    wanted = {owed.episode for owed in incident.owed}
    if incident.open or incident.held:
        wanted.add(incident.episode)
    kept = {name: episode for name, episode in incident.episodes.items() if name in wanted}
    return replace(incident, episodes=kept)


def drop_failed(incident: Incident) -> Incident:
    """Forget what was given up: a redrive is not to announce the beginning of what is over."""
    return with_parts(
        incident,
        lambda owed: {
            name: part for name, part in owed.parts.items() if part.state is not DeliveryState.GIVEN_UP
        },
    )
