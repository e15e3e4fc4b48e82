"""The notifications of an incident that wait for a channel: what is sent next, what was sent, and what was given up.

A notification is pending until each of its channels has it. `next_pending` and `record_delivery` take it to the channels
one step at a time. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from relay.model.incident import (
    MAX_GIVEN_UP,
    UNCONFIRMED,
    ChannelDelivery,
    DeliveryState,
    Incident,
    NotificationKind,
    PendingNotification,
    Thread,
)
from relay.model.messages import AlertMessage

MAX_PENDING: Final = 20
"""Notifications that wait for a channel that is down. Beyond it the oldest are dropped, an opening always before its
resolution, so that an alarm that flaps through an outage of days cannot outgrow its item."""


def enqueue(
    incident: Incident,
    alert_message: AlertMessage,
    kind: NotificationKind,
    channels: Iterable[str],
    *,
    thread_id: str | None = None,
) -> Incident:
    """Return the incident with a notification pending for these channels; `thread_id` names a former incident's thread."""
    deliveries = {channel: ChannelDelivery() for channel in channels}
    if not deliveries:
        return incident
    if kind == "opened":
        threads = {**incident.threads, alert_message.event_id: Thread(first_message=alert_message)}
        incident = replace(incident, thread_id=alert_message.event_id, threads=threads)
    # What tells of an incident that another has overtaken is no part of that one.
    is_apart = thread_id is not None or (kind == "notice" and incident.active)
    added = PendingNotification(
        alert_message=alert_message,
        kind=kind,
        deliveries=deliveries,
        thread_id=(thread_id or "") if is_apart else incident.thread_id,
    )
    # An escalation that is sent now includes the lower one that was deferred.
    deferred = None if kind in {"opened", "escalated"} else incident.deferred
    notified = incident.channels if is_apart else tuple(dict.fromkeys((*incident.channels, *deliveries)))
    pending = (*incident.pending, added)
    incident, pending = _give_up(incident, pending[:-MAX_PENDING]), pending[-MAX_PENDING:]
    return prune_threads(replace(incident, pending=pending, channels=notified, deferred=deferred))


def next_pending(
    incident: Incident, event_id: str, skip: Iterable[str] = ()
) -> tuple[PendingNotification, str] | None:
    """Return the next undelivered (notification, channel) up to and including this event's, or None.

    In the order of arrival, so that no channel gets a resolution before its opening. Notifications after this
    event's are the work of their own messages. An event without a notification delivers nothing: otherwise every
    absorbed event would probe a channel that is down.
    """
    own = incident.pending_for(event_id)
    if own is None:
        return None
    skipped = frozenset(skip)
    for pending in incident.pending[: incident.pending.index(own) + 1]:
        for channel, delivery in pending.deliveries.items():
            if channel not in skipped and delivery.state not in {DeliveryState.SENT, DeliveryState.FAILED}:
                return pending, channel
    return None


def record_delivery(
    incident: Incident, event_id: str, channel: str, delivery: ChannelDelivery, thread_ref: str | None = None
) -> Incident:
    """Return the incident with one delivery of this event replaced; a notification that all channels have is removed.

    `thread_ref` is the channel's reference of the message just sent, for later replies.
    """
    own = incident.pending_for(event_id)
    if thread_ref and own and own.thread_id in incident.threads:
        thread = incident.threads[own.thread_id]
        thread = replace(thread, refs={**thread.refs, channel: thread_ref})
        incident = replace(incident, threads={**incident.threads, own.thread_id: thread})

    def changed(pending: PendingNotification) -> Mapping[str, ChannelDelivery]:
        is_own = pending.alert_message.event_id == event_id and channel in pending.deliveries
        return {**pending.deliveries, channel: delivery} if is_own else pending.deliveries

    return _change_deliveries(incident, changed)


def drop_channel(incident: Incident, channel: str) -> Incident:
    """Return the incident without deliveries to a channel that is no longer configured."""
    return _change_deliveries(
        incident,
        lambda pending: {name: one for name, one in pending.deliveries.items() if name != channel},
    )


def retry_failed(incident: Incident, event_id: str) -> Incident:
    """Return the incident with this event's failed deliveries to be tried again, after a redrive.

    An unconfirmed delivery stays unconfirmed, so that its retry is marked as a possible repeat.
    """
    own = incident.pending_for(event_id)
    for channel, delivery in (own.deliveries if own else {}).items():
        if delivery.state is DeliveryState.FAILED:
            state = DeliveryState.SENDING if delivery.reason == UNCONFIRMED else DeliveryState.UNSENT
            incident = record_delivery(incident, event_id, channel, ChannelDelivery(state=state))
    return incident


def withdraw_failed(incident: Incident) -> Incident:
    """Return the incident without its failed deliveries: a redrive after the resolution sends no opening.

    They are kept as `given_up`. The invocation that gave one up may have ended before its dead letter was written; the
    message then comes again, and finds there what to write down.
    """
    after = _give_up(incident, incident.pending)
    return _change_deliveries(
        after,
        lambda pending: {
            name: one for name, one in pending.deliveries.items() if one.state is not DeliveryState.FAILED
        },
    )


def forget_given_up(incident: Incident, event_id: str) -> Incident:
    """Return the incident without what was given up of this event, after a redrive: its dead letter was written."""
    left = {known: channels for known, channels in incident.given_up.items() if known != event_id}
    return replace(incident, given_up=left)


def _give_up(incident: Incident, notifications: Iterable[PendingNotification]) -> Incident:
    """Return the incident with the failed deliveries of these notifications added to `given_up`; the latest are kept."""
    given_up = dict(incident.given_up)
    for pending in notifications:
        failed = {
            channel: delivery.reason
            for channel, delivery in pending.deliveries.items()
            if delivery.state is DeliveryState.FAILED
        }
        if failed:
            given_up[pending.alert_message.event_id] = failed
    return replace(incident, given_up=dict(list(given_up.items())[-MAX_GIVEN_UP:]))


def _change_deliveries(
    incident: Incident, changed: Callable[[PendingNotification], Mapping[str, ChannelDelivery]]
) -> Incident:
    """Return the incident with the deliveries that `changed` returns, without the notifications that are complete."""
    after = (replace(pending, deliveries=changed(pending)) for pending in incident.pending)
    unfinished = tuple(
        pending
        for pending in after
        if any(delivery.state is not DeliveryState.SENT for delivery in pending.deliveries.values())
    )
    return prune_threads(replace(incident, pending=unfinished))


def prune_threads(incident: Incident) -> Incident:
    """Return the incident without the threads to which nothing can be added any more."""
    wanted = {pending.thread_id for pending in incident.pending}
    wanted |= {one.thread_id for one in incident.kept}
    if incident.active or incident.deferred:
        wanted |= {incident.thread_id, *(one.thread_id for one in incident.former)}
    threads = {thread_id: thread for thread_id, thread in incident.threads.items() if thread_id in wanted}
    return replace(incident, threads=threads)
