"""Applies an alert to its incident and sends or defers it; at a tick of the clock, sends what was deferred."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from relay.alerts.actions import act, answer_to, result_of
from relay.alerts.delivery import BatchDelivery, raise_longest
from relay.alerts.holdback import add, admit, finish, take_due, tick_key
from relay.alerts.pending import forget_given_up, retry_failed
from relay.alerts.routing import channels_for, is_quiet
from relay.alerts.summary import roll_up, rollup_key
from relay.alerts.transitions import (
    apply,
    apply_notice,
    classify,
    notify_even_if_unannounced,
    recipients,
)
from relay.alerts.waiting import drop_deferred, is_end, release_deferred, waiting_of
from relay.errors import PermanentError, TransientError
from relay.model.effects import Level
from relay.model.hold_queue import DueBatch, GivenUp, HoldQueue, HoldQueueEntry
from relay.model.incident import DeferReason, Deferred, Incident
from relay.model.incident_action import INCIDENT_ACTION_TOPIC, IncidentAction
from relay.model.messages import AlertMessage

_MIN_FOR_ROLLUP: Final = 2


# -- alerts


def process(batch: BatchDelivery, alert_message: AlertMessage, *, first_receive: bool) -> None:
    """Apply an alert message to its incident, and deliver what is pending. Errors as in `BatchDelivery.deliver`.

    `first_receive` is set for a new message and for one that was redriven: failed deliveries are tried again.
    """
    batch.deliver(_apply(batch, alert_message, first_receive=first_receive), alert_message.event_id)


def process_notice(
    batch: BatchDelivery, alert_message: AlertMessage, channels: Sequence[str], *, first_receive: bool
) -> None:
    """Send a notice to these channels, as `process` does for an alert."""
    incident = _apply_notice(batch, alert_message, channels, first_receive=first_receive)
    batch.deliver(incident, alert_message.event_id)


def process_action(batch: BatchDelivery, action: IncidentAction, *, first_receive: bool) -> None:
    """Apply what a person did, and say so in the incident's thread; answer the person where nothing changed."""
    context, result = batch.context, "seen"
    answer = ""

    def change(before: Incident) -> Incident:
        nonlocal result, answer
        result = result_of(before, action)
        answer = answer_to(result, before, action)
        if result == "seen":
            return _begin_anew(before, action.id) if first_receive else before
        return act(before, action) if result == "applied" else before

    incident = context.update(action.incident_key, change)
    is_answered = bool(answer) and context.responder.answer(action.response_url, answer)
    context.telemetry.outcome(
        "incident_action_refused" if answer else "incident_action",
        event_id=action.id,
        topic=INCIDENT_ACTION_TOPIC,
        verb=action.verb,
        reason=result,
        answered=is_answered,
    )
    batch.deliver(incident, action.id)


def _apply_notice(
    batch: BatchDelivery,
    alert_message: AlertMessage,
    channels: Sequence[str],
    *,
    first_receive: bool = False,
) -> Incident:
    def change(before: Incident) -> Incident:
        again = _begin_anew(before, alert_message.event_id) if first_receive else before
        return apply_notice(again, alert_message, channels)

    return batch.context.update(alert_message.alert.incident_key, change)


def _apply(batch: BatchDelivery, alert_message: AlertMessage, *, first_receive: bool) -> Incident:
    """Write the incident after the alert message, and the hold queue where it is deferred; return the incident."""
    context, classification, defer = batch.context, "seen", _defer_reason(batch, alert_message)
    channels = channels_for(alert_message, batch.rules, context.channel_names)

    def change(before: Incident) -> Incident:
        nonlocal classification
        classification = classify(before, alert_message)
        if classification == "seen":
            return _begin_anew(before, alert_message.event_id) if first_receive else before
        return apply(before, alert_message, channels, defer=defer)

    saved = context.update(alert_message.alert.incident_key, change)
    if saved.deferred and saved.deferred.alert_message.event_id == alert_message.event_id:
        # After the incident, so that no entry of the queue lacks its deferred notification. After a crash in between
        # the message comes again, is classified as seen, and is still deferred.
        entry = _queue_entry(saved, saved.deferred)
        context.update_hold_queue(lambda queue: add(queue, entry))
        context.log("alert_deferred", alert_message, classification=classification)
    elif saved.pending_for(alert_message.event_id) is None:
        context.log("alert_suppressed", alert_message, classification=classification)
    return saved


def _begin_anew(incident: Incident, event_id: str) -> Incident:
    """Return the incident for a message that was redriven: failed deliveries are tried again, withdrawn ones are over."""
    return forget_given_up(retry_failed(incident, event_id), event_id)


def _defer_reason(batch: BatchDelivery, alert_message: AlertMessage) -> DeferReason | None:
    """Return why an alert message is deferred; None where it is sent now, or has no recipient anyway."""
    context, rules = batch.context, batch.rules
    incident = context.incidents.load(alert_message.alert.incident_key)
    if not recipients(incident, alert_message, channels_for(alert_message, rules, context.channel_names)):
        return None
    classification = classify(incident, alert_message)
    if classification == "overtaken":
        return None  # what is deferred is the newer incident's, and goes with it
    is_escalation = classification in {"opened", "escalated", "outcome"}
    is_new_alert = is_escalation or notify_even_if_unannounced(incident, alert_message)
    level = alert_message.alert.level if is_new_alert else incident.level or Level.INFO
    if level <= Level.WARNING and is_quiet(alert_message.at, rules.quiet_hours, context.zone):
        return "quiet_hours"
    # Incidents of the programme explain a flood: they are never part of it.
    if not is_new_alert or level is Level.CRITICAL or not alert_message.member:
        return None
    admitted = False

    def change(queue: HoldQueue) -> HoldQueue:
        nonlocal admitted
        queue, admitted = admit(queue, alert_message.id, alert_message.at, rules.flood)
        return queue

    context.update_hold_queue(change)
    return None if admitted else "flood"


def _queue_entry(incident: Incident, deferred: Deferred) -> HoldQueueEntry:
    return HoldQueueEntry(
        incident_key=incident.key,
        event_id=deferred.alert_message.event_id,
        at=deferred.alert_message.at,
        level=incident.level or deferred.alert_message.alert.level,
        reason=deferred.reason,
    )


# -- ticks of the clock


def send_deferred(
    batch: BatchDelivery, tick: datetime, has_time: Callable[[], bool], *, first_receive: bool
) -> None:
    """Send what is due at a tick: each notification by itself, or many in one roll-up. Resolved incidents have none.

    The tick's batch stays in the hold queue until every notification is sent, or refused for good. What is refused is
    written there in its place: the invocation may end before the dead letter of the tick is written, and a redrive of it
    (`first_receive`) tries again.

    Raises:
        TransientError: a notification cannot be sent yet; the same tick continues from there.
        PermanentError: a channel refused a notification.

    """
    quiet = is_quiet(tick, batch.rules.quiet_hours, batch.context.zone)
    queue = batch.context.update_hold_queue(lambda queue: take_due(queue, tick, quiet=quiet))
    due = queue.due.get(tick_key(tick), DueBatch(entries=()))
    given_up = [one for one in queue.given_up if one.tick == tick_key(tick)]
    if not due.entries and not given_up:
        return
    failures = _DueDelivery(batch, tick, due, first_receive).deliver(given_up, has_time)
    errors = [error for _, error in failures]
    if all(isinstance(error, PermanentError) for error in errors):
        refused = [one for one, _ in failures]
        batch.context.update_hold_queue(lambda queue: finish(queue, tick, refused))
    raise_longest(errors)


@dataclass(frozen=True, slots=True)
class _DueDelivery:
    """The delivery of what one tick took from the hold queue, and of what it gave up before."""

    batch: BatchDelivery
    tick: datetime
    due: DueBatch
    first_receive: bool

    def deliver(
        self, given_up: Sequence[GivenUp], has_time: Callable[[], bool]
    ) -> list[tuple[GivenUp, Exception]]:
        """Deliver it; return what failed, with its error."""
        rollup = self._rollup() if self.due.entries else None
        works: list[tuple[GivenUp, Callable[[Incident], Incident]]]
        works = [(one, _unchanged) for one in given_up]
        if rollup:
            works.append((self._named(rollup.key, rollup.seen_event_ids[-1]), _unchanged))
        for entry in self.due.entries:
            released = partial(self._released, entry=entry, rolled_up=rollup is not None)
            works.append((self._named(entry.incident_key, entry.event_id), released))
        failures: list[tuple[GivenUp, Exception]] = []
        for one, change in works:
            if not has_time():
                return [*failures, (one, TransientError("tick: not enough time left for the rest"))]
            try:
                self._change_and_deliver(one, change)
            except Exception as error:  # noqa: BLE001 - the others are sent; `send_deferred` raises what keeps the message longest
                failures.append((one, error))
        return failures

    def _named(self, incident_key: str, event_id: str) -> GivenUp:
        return GivenUp(tick=tick_key(self.tick), incident_key=incident_key, event_id=event_id)

    def _change_and_deliver(self, one: GivenUp, change: Callable[[Incident], Incident]) -> None:
        def begin(before: Incident) -> Incident:
            return change(_begin_anew(before, one.event_id) if self.first_receive else before)

        self.batch.deliver(self.batch.context.update(one.incident_key, begin), one.event_id)

    def _rollup(self) -> Incident | None:
        """Return the incident of the roll-up, written; None where each notification is sent by itself.

        Written before anything is dropped: a repeated tick finds it here, and it covers all that is still deferred.
        """
        context, rules = self.batch.context, self.batch.rules
        known = context.incidents.load(rollup_key(context.shop, self.tick, self.due))
        if known.seen_event_ids:
            return known
        alert_messages = [
            deferred.alert_message
            for entry in self.due.entries
            if (deferred := context.incidents.load(entry.incident_key).deferred)
            and deferred.is_escalation
            and _is_of(deferred, entry)
        ]
        is_flood = self.due.has_flood or len(alert_messages) > rules.flood.alerts
        if not is_flood or len(alert_messages) + self.due.uncounted < _MIN_FOR_ROLLUP:
            return None
        members = self.batch.members.find({alert_message.member for alert_message in alert_messages})
        rollup = roll_up(context.shop, self.tick, self.due, alert_messages, members)
        return _apply_notice(self.batch, rollup, channels_for(rollup, rules, context.channel_names))

    def _released(self, before: Incident, *, entry: HoldQueueEntry, rolled_up: bool) -> Incident:
        """Return an incident with its deferred notification pending; without it where it is muted or in the roll-up."""
        waiting = waiting_of(before, entry.event_id)
        if waiting is None:
            return before
        is_muted = before.muted_until is not None and self.tick < before.muted_until
        # The end of a muted incident is said, in the channels that disturb no one: those that it waits for.
        is_dropped = (is_muted and not is_end(waiting)) or (rolled_up and waiting.is_escalation)
        return drop_deferred(before, waiting) if is_dropped else release_deferred(before, waiting)


def _is_of(deferred: Deferred, entry: HoldQueueEntry) -> bool:
    return deferred.alert_message.event_id == entry.event_id


def _unchanged(incident: Incident) -> Incident:
    return incident
