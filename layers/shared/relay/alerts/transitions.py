"""The state machine of an incident: what an alert message changes, and which notifications follow from it.

`classify` compares a message with the incident, and `apply` returns the incident after it. `pending.py` takes the
notifications to the channels. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from relay.alerts.pending import enqueue, prune_threads, withdraw_failed
from relay.alerts.waiting import is_end, keep
from relay.model.effects import Alert, Level
from relay.model.incident import (
    MAX_FORMER,
    UNCONFIRMED,
    DeferReason,
    Deferred,
    DeliveryState,
    FormerIncident,
    Incident,
    NotificationKind,
)
from relay.model.messages import AlertMessage

Classification: TypeAlias = Literal[
    "opened",
    "escalated",
    "outcome",
    "absorbed",
    "overtaken",
    "updated",
    "resolved",
    "resolved_before_open",
    "stale",
    "seen",
]
"""`outcome`: an opening at no higher level with an outcome that was not told yet. `absorbed`: any other such opening.
`overtaken`: an opening, or the end, of an incident before this one under the same key; what it tells is told, and this one stays
as it is.
`seen`: an event that was applied before."""

QUIET_CHANNELS: Final = frozenset({"slack", "pagerduty"})
"""Channels in which an end disturbs no one who acknowledged or muted the incident: Slack adds it to the thread, and
PagerDuty notifies no person of it, but would keep the incident open without it."""

MAX_SEEN_EVENTS: Final = 64
"""Event ids that an incident remembers. Times and level alone absorb most repeats; the ids are for an event that
comes again with another time (it had none, so its receipt counts) or another level (the rules were changed). The
longest incident that the rules allow, a dunning of 30 attempts reported by two topics, fits whole; 64 ids are some
3 KB, and alerts are rare."""

# -- classification


def classify(incident: Incident, alert_message: AlertMessage) -> Classification:
    """Return what an alert message means to the incident in its present state."""
    if alert_message.event_id in incident.seen_event_ids:
        return "seen"
    alert = alert_message.alert
    if alert.action == "resolve":
        return _end(incident, alert_message)
    if alert.action == "update" and (incident.active or not alert.immediate):
        is_newer = incident.opened_at is not None and alert_message.at >= incident.opened_at
        return "updated" if incident.active and is_newer else "stale"
    if incident.resolved_at is not None and _as_of(alert_message) <= incident.resolved_at:
        return "stale"
    if not incident.active or _is_next_cycle(incident, alert_message):
        return "opened"
    return _within(incident, alert)


def _end(incident: Incident, alert_message: AlertMessage) -> Classification:
    """Return what an end means to the incident: that of a former one leaves it open."""
    if not incident.active or incident.last_opened_at is None:
        return "resolved_before_open"
    if _is_overtaken(incident, alert_message.alert):
        return "overtaken"
    return "resolved" if _as_of(alert_message) >= incident.last_opened_at else "resolved_before_open"


def _within(incident: Incident, alert: Alert) -> Classification:
    """Return what another opening means to an incident that is active."""
    if _is_overtaken(incident, alert):
        return "overtaken"
    if incident.level is None or alert.level > incident.level:
        return "escalated"
    return "outcome" if alert.outcome and alert.outcome not in incident.told else "absorbed"


def _is_next_cycle(incident: Incident, alert_message: AlertMessage) -> bool:
    """Return whether an opening begins another incident, while the last one was never resolved."""
    begins_at = alert_message.alert.cycle_at
    return (
        begins_at is not None and incident.last_opened_at is not None and begins_at > incident.last_opened_at
    )


def _is_overtaken(incident: Incident, alert: Alert) -> bool:
    """Return whether an opening or an end is of an earlier cycle than the incident, which the next cycle has opened."""
    next_at = alert.next_cycle_at
    return next_at is not None and incident.opened_at is not None and incident.opened_at >= next_at


def _as_of(alert_message: AlertMessage) -> datetime:
    """Return the moment as of which an alert opens or ends its incident: its event's, or another one that it names."""
    return alert_message.alert.silent_since or _later(alert_message.at, alert_message.alert.as_of)


def recipients(incident: Incident, alert_message: AlertMessage, channels: Iterable[str]) -> tuple[str, ...]:
    """Return the channels that get a notification, where `channels` are those of an opening at its level.

    An escalation and an outcome go to the channels notified before as well. A resolution and an update go to those
    alone: a channel that is down gets the opening first and the resolution next, late but complete, since a
    resolution can be bad news. An `immediate` alert goes to `channels` where no channel was notified.

    While an incident is muted, only its end is told and what is critical. Acknowledged, it does not escalate below
    critical; an outcome and the end are told in the thread.
    """
    classification = classify(incident, alert_message)
    notified, is_critical = _notified(incident, alert_message), alert_message.alert.level is Level.CRITICAL
    is_end_of_former = _is_end_of_former(incident, alert_message)
    is_told_quietly = classification == "resolved" or is_end_of_former
    if incident.muted_until is not None and alert_message.at < incident.muted_until and not is_critical:
        return _quiet_channels(notified) if is_told_quietly else ()
    if incident.acknowledged and not is_critical:
        if is_told_quietly or classification == "outcome" or _tells_outcome(classification, alert_message):
            return _quiet_channels(notified) or notified
        if classification in {"escalated", "updated"}:
            return ()
    is_told_apart = (
        classification == "overtaken" and not is_end_of_former and alert_message.alert.outcome is not None
    )
    if classification == "opened" or is_told_apart or notify_even_if_unannounced(incident, alert_message):
        return tuple(channels)
    if classification in {"escalated", "outcome"}:
        return tuple(dict.fromkeys((*incident.channels, *channels)))
    return notified if classification == "updated" or is_told_quietly else ()


def _notified(incident: Incident, alert_message: AlertMessage) -> tuple[str, ...]:
    """Return the channels that were told what an alert adds to or ends: those of the former incidents that it ends as well."""
    own, alert = _channels_with_opening(incident), alert_message.alert
    if alert.action != "resolve":
        return own
    former = (name for one in _former_of(incident, alert) for name in one.channels)
    is_end_of_former = _is_end_of_former(incident, alert_message)
    return tuple(dict.fromkeys((*(() if is_end_of_former else own), *former)))


def _is_end_of_former(incident: Incident, alert_message: AlertMessage) -> bool:
    is_overtaken = classify(incident, alert_message) == "overtaken"
    return is_overtaken and alert_message.alert.action == "resolve"


def _tells_outcome(classification: Classification, alert_message: AlertMessage) -> bool:
    return classification == "escalated" and alert_message.alert.outcome is not None


def _quiet_channels(notified: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in notified if name in QUIET_CHANNELS)


def notify_even_if_unannounced(incident: Incident, alert_message: AlertMessage) -> bool:
    """Return whether an alert is sent although no channel was notified of the opening: that a fee is lost, for one.

    The opening may have been silent, deferred, switched off or overtaken.
    """
    if not alert_message.alert.immediate:
        return False
    classification = classify(incident, alert_message)
    if classification == "resolved_before_open":
        is_newer = incident.resolved_at is None or _as_of(alert_message) > incident.resolved_at
        return is_newer and not incident.active
    return classification in {"updated", "resolved"} and not incident.channels


def _former_of(incident: Incident, alert: Alert) -> tuple[FormerIncident, ...]:
    """Return the former incidents that an end is the end of: what settles one fee settles those before it."""
    next_at = alert.next_cycle_at
    return tuple(one for one in incident.former if next_at is None or one.opened_at < next_at)


def _channels_with_opening(incident: Incident) -> tuple[str, ...]:
    """Return the notified channels without those that refused the opening: they get no resolution either."""
    refused = {
        channel
        for pending in incident.pending
        for channel, delivery in pending.deliveries.items()
        if pending.kind == "opened"
        and delivery.state is DeliveryState.FAILED
        and delivery.reason != UNCONFIRMED
    }
    return tuple(channel for channel in incident.channels if channel not in refused)


# -- transitions


def apply(
    incident: Incident,
    alert_message: AlertMessage,
    channels: Iterable[str],
    *,
    defer: DeferReason | None = None,
) -> Incident:
    """Return the incident after an alert message, with the notification pending, or deferred for the reason given.

    An event is applied once, so a rule yields one alert at most for each incident.
    """
    classification = classify(incident, alert_message)
    if classification == "seen":
        return incident
    to = recipients(incident, alert_message, channels)
    after = _changed(incident, alert_message, classification)
    if not to:
        return prune_threads(_parted(incident, after, alert_message.alert))
    if classification == "overtaken" and alert_message.alert.action == "open":
        former = FormerIncident(opened_at=_as_of(alert_message), channels=to)
        after = replace(after, former=(*after.former, former)[-MAX_FORMER:])
    kind = _notification_kind(incident, alert_message)
    if defer:
        deferred = Deferred(alert_message=alert_message, kind=kind, channels=to, reason=defer)
        if kind == "updated" and alert_message.alert.outcome is None:
            after = keep(after, lambda waiting: bool(waiting.alert_message.alert.outcome))
        return _parted(incident, replace(after, deferred=deferred), alert_message.alert)
    told = enqueue(after, alert_message, kind, to, thread_id=_thread_of_former(incident, alert_message))
    return _parted(incident, told, alert_message.alert)


def _parted(before: Incident, after: Incident, alert: Alert) -> Incident:
    """Return the incident of the next cycle alone, where an alert shows that an incident holds two cycles.

    Without the final failure the next cycle's first attempt looked like one of the cycle before, and joined its incident.
    That one is a former incident now. The next cycle stays open, and what was told of it stays told.
    """
    next_at, opened_at, newest = alert.next_cycle_at, before.opened_at, before.last_opened_at
    if alert.action != "open" or not before.active or next_at is None or opened_at is None or newest is None:
        return after
    if not opened_at < next_at <= newest:
        return after
    former = _former_after(replace(after, active=True))
    if before.level_at is not None and before.level_at >= next_at:
        return replace(
            after,
            opened_at=next_at,
            former=former,
            level=before.level,
            level_at=before.level_at,
            told=before.told,
        )
    return replace(
        after,
        opened_at=next_at,
        former=former,
        level=Level.INFO,
        level_at=next_at,
        told=(),
        channels=(),
        thread_id="",
    )


def _thread_of_former(incident: Incident, alert_message: AlertMessage) -> str | None:
    """Return the thread of the former incident that an alert ends; None where it is the end of the incident's own thread."""
    classification = classify(incident, alert_message)
    ended = _former_of(incident, alert_message.alert)
    is_apart = classification == "overtaken" or (classification == "resolved" and not incident.channels)
    is_end = alert_message.alert.action == "resolve" and bool(ended) and is_apart
    return ended[-1].thread_id if is_end else None


def _changed(incident: Incident, alert_message: AlertMessage, classification: Classification) -> Incident:
    """Return the incident's state after an alert message, without its notification."""
    # Silent and stale events are remembered too: dated by its receipt, a repeat would look new.
    after = _remember(incident, alert_message)
    at, alert = _as_of(alert_message), alert_message.alert
    if classification == "opened":
        # The end of the one before was to be told to those who heard of its beginning.
        after = keep(after, is_end)
    if classification in {"opened", "escalated", "outcome", "absorbed"}:
        one_off = alert.one_off and (classification == "opened" or after.one_off)
        after = replace(after, last_opened_at=_later(at, after.last_opened_at), one_off=one_off)
    if classification in {"resolved", "resolved_before_open"}:
        after = replace(after, resolved_at=_later(at, after.resolved_at))
    match classification:
        case "opened":
            after = replace(
                after,
                active=True,
                former=_former_after(incident),
                level=alert.level,
                level_at=at,
                opened_at=at,
                channels=(),
                thread_id="",
                acknowledged=False,
                deferred=None,
                told=(),
            )
        case "escalated":
            after = replace(after, level=alert.level, level_at=at)
        case "resolved":
            # A deferred opening is dropped with it: a channel without the opening needs no resolution.
            kept = tuple(filter(is_end, after.kept))
            after = replace(withdraw_failed(after), active=False, deferred=None, kept=kept, former=())
        case "overtaken" if alert.action == "resolve":
            ended = _former_of(incident, alert)
            after = replace(after, former=tuple(one for one in incident.former if one not in ended))
        case _:
            pass
    if alert.outcome and classification in {"opened", "escalated", "outcome"}:
        after = replace(after, told=(*after.told, alert.outcome))
    return after


def _former_after(incident: Incident) -> tuple[FormerIncident, ...]:
    """Return the former incidents once the next one opens: those that people were told of, and not the end."""
    channels = _channels_with_opening(incident)
    if not incident.active or not channels or incident.opened_at is None:
        return incident.former
    one = FormerIncident(opened_at=incident.opened_at, channels=channels, thread_id=incident.thread_id)
    return (*incident.former, one)[-MAX_FORMER:]


def apply_notice(incident: Incident, alert_message: AlertMessage, channels: Iterable[str]) -> Incident:
    """Return the incident after a notice, which is sent once and needs no resolution: a digest, a roll-up."""
    if alert_message.event_id in incident.seen_event_ids:
        return incident
    after = replace(_remember(incident, alert_message), opened_at=alert_message.at)
    return enqueue(after, alert_message, "notice", channels)


def _remember(incident: Incident, alert_message: AlertMessage) -> Incident:
    return remember(incident, alert_message.event_id)


def remember(incident: Incident, event_id: str) -> Incident:
    """Return the incident with one more event, or person's action, that it has taken."""
    return replace(incident, seen_event_ids=(*incident.seen_event_ids, event_id)[-MAX_SEEN_EVENTS:])


def _notification_kind(incident: Incident, alert_message: AlertMessage) -> NotificationKind:
    """Return the kind of notification that an alert message with recipients becomes."""
    match classify(incident, alert_message):
        case "escalated" if incident.channels:
            return "escalated"
        case "updated" | "outcome" if incident.channels:
            return "updated"
        case "resolved" | "resolved_before_open":
            return "notice" if notify_even_if_unannounced(incident, alert_message) else "resolved"
        case "overtaken":
            return "resolved" if alert_message.alert.action == "resolve" else "notice"
        case _:
            # To people, an incident that opened silently opens with the first notification.
            return "opened"


def _later(at: datetime, known: datetime | None) -> datetime:
    return at if known is None else max(at, known)
