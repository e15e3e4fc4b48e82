"""Delivers the notifications of one batch, channel by channel, so that a crash costs at most one repeat, marked as such.

Each step is recorded in the incident before and after it: unsent → sending → sent. A channel is called only
after its delivery was claimed by a conditional write: of two invocations with one incident, one wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from relay.alerts.figures import with_record
from relay.alerts.pending import drop_channel, next_pending, record_delivery
from relay.errors import ConflictError, MisconfiguredError, NoReplyError, PermanentError, TransientError
from relay.model.hold_queue import HoldQueue
from relay.model.incident import UNCONFIRMED, ChannelDelivery, DeliveryState, Incident, PendingNotification
from relay.model.member import Member
from relay.model.messages import AlertMessage
from relay.model.metrics import ALERTS_SENT, Outcome
from relay.ports.alerts import AlertChannel, IncidentStore, Notification, Responder
from relay.ports.kpis import KpiStore
from relay.ports.members import MemberStore, load_each
from relay.ports.optimistic import retry_conflicts
from relay.ports.runtime import Clock, Telemetry
from relay.rules.settings import Rules

CLAIM_DURATION: Final = timedelta(seconds=60)
"""How long a delivery stays claimed: not less than the function's timeout, so that the invocation with the claim has ended by then."""

CLAIM_RETRY_SECONDS: Final = 7.0
"""After so long an invocation that found a delivery claimed looks again: within 10 s, with the queue's own jitter."""

_TABLE: Final = "table incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierContext:
    """What the notifier works with: the shop and its time zone, stores, channels, answers, clock and telemetry."""

    shop: str
    incidents: IncidentStore
    members: MemberStore
    channels: Sequence[AlertChannel]
    clock: Clock
    telemetry: Telemetry
    zone: ZoneInfo
    responder: Responder
    kpis: KpiStore | None = None

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the configured channels."""
        return tuple(channel.name for channel in self.channels)

    def save(self, incident: Incident) -> Incident:
        """Write an incident; return it as written.

        Raises:
            ConflictError: another writer wrote first.

        """
        self.incidents.save(incident)
        return replace(incident, version=incident.version + 1)

    def update(self, key: str, change: Callable[[Incident], Incident]) -> Incident:
        """Read an incident, change and write it, again after a conflict; return it as written.

        Raises:
            TransientError: too many conflicts.

        """
        return self.update_loaded(self.incidents.load(key), change)

    def update_loaded(self, incident: Incident, change: Callable[[Incident], Incident]) -> Incident:
        """Change and write an incident that was just read, as `update` does."""

        def write(before: Incident) -> Incident:
            after = change(before)
            return before if after == before else self.save(after)

        return retry_conflicts(incident, write, lambda: self.incidents.load(incident.key), what=_TABLE)

    def update_hold_queue(self, change: Callable[[HoldQueue], HoldQueue]) -> HoldQueue:
        """Read, change and write the hold queue, as `update` does."""

        def write(before: HoldQueue) -> HoldQueue:
            after = change(before)
            if after == before:
                return before
            self.incidents.save_hold_queue(after)
            return replace(after, version=after.version + 1)

        load = self.incidents.load_hold_queue
        return retry_conflicts(load(), write, load, what=_TABLE)

    def log(self, outcome: Outcome, alert_message: AlertMessage, **fields: object) -> None:
        """Log one outcome with event and rule; the member stays out of the log."""
        self.telemetry.outcome(
            outcome,
            event_id=alert_message.event_id,
            topic=alert_message.topic,
            rule=alert_message.alert.rule,
            **fields,
        )


@dataclass(slots=True)
class MemberLookup:
    """The members that notifications name, read once per batch; `stopped` once the table has not answered."""

    context: NotifierContext
    members: Mapping[str, Member]
    stopped: bool = False

    def find(self, keys: Iterable[str]) -> Mapping[str, Member]:
        """Return the members with these keys, as far as they can be read: an alert without a name is better than a late one."""
        wanted = [key for key in keys if key]
        missing = {key for key in wanted if key not in self.members}
        if missing and not self.stopped:
            try:
                records = load_each(self.context.members, missing).records
            except TransientError as error:
                self.stop(error)
            else:
                found = {key: record.member for key, record in records.items()}
                self.members = {**self.members, **found}
        return {key: self.members[key] for key in wanted if key in self.members}

    def stop(self, error: TransientError) -> None:
        """Read no more in this batch. The log reports it: otherwise a missing permission would take the name out of every alert unnoticed."""
        self.stopped = True
        self.context.telemetry.outcome("members_not_read", event_id=None, topic=None, reason=str(error))


@dataclass(slots=True)
class BatchDelivery:
    """Delivery for one batch of messages: its rules, its members, and the channels that failed and are not called until the next batch."""

    context: NotifierContext
    rules: Rules
    members: MemberLookup
    unavailable: dict[str, Exception] = field(default_factory=dict)

    def deliver(self, incident: Incident, event_id: str) -> None:
        """Deliver all that is pending up to this event's notification, then raise the error that keeps the message longest.

        Raises:
            TransientError: a channel cannot be reached now.
            MisconfiguredError: the setting that it names is wrong.
            PermanentError: a channel refused this event's notification.

        """
        failed: dict[str, Exception] = {}
        while step := next_pending(incident, event_id, skip=failed):
            pending, channel = step
            try:
                incident = self._deliver_step(incident, pending, channel, failed)
            except ConflictError:
                # Another invocation delivers the same incident. Its state is newer, and may be complete.
                incident = self.context.incidents.load(incident.key)
        raise_longest([*failed.values(), *_failed_for_good(incident, event_id)])

    def _deliver_step(
        self, incident: Incident, pending: PendingNotification, name: str, failed: dict[str, Exception]
    ) -> Incident:
        """Take one delivery one step on, and record the result."""
        channel = next((channel for channel in self.context.channels if channel.name == name), None)
        if channel is None:
            return self.context.save(drop_channel(incident, name))
        if name in self.unavailable:
            failed[name] = self.unavailable[name]
            return incident
        before, event_id, now = pending.deliveries[name], pending.alert_message.event_id, self.context.clock()
        if before.claimed_until is not None and before.claimed_until > now:
            # Most sends take a second. A copy that waited for the whole claim would keep a resolution back for a minute.
            wait = min((before.claimed_until - now).total_seconds(), CLAIM_RETRY_SECONDS)
            failed[name] = TransientError(f"{name}: another invocation is sending", retry_after=wait)
            return incident
        if before.state is DeliveryState.RETRYING:
            unconfirmed = ChannelDelivery(state=DeliveryState.FAILED, reason=UNCONFIRMED)
            return self.context.save(record_delivery(incident, event_id, name, unconfirmed))
        is_retry = before.state is not DeliveryState.UNSENT
        state = DeliveryState.RETRYING if is_retry else DeliveryState.SENDING
        claim = ChannelDelivery(state=state, claimed_until=now + CLAIM_DURATION)
        incident = self.context.save(record_delivery(incident, event_id, name, claim))
        notification = self._notification(incident, pending, name, may_be_repeat=is_retry)
        after, ref = self._send(channel, notification, before=before, claim=claim, failed=failed)
        # This invocation has the claim: it records the delivery whatever other invocations wrote meanwhile.
        return self.context.update_loaded(
            incident, lambda known: record_delivery(known, event_id, name, after, ref)
        )

    def _send(
        self,
        channel: AlertChannel,
        notification: Notification,
        *,
        before: ChannelDelivery,
        claim: ChannelDelivery,
        failed: dict[str, Exception],
    ) -> tuple[ChannelDelivery, str | None]:
        """Send to one channel; return the delivery afterwards and the reference of the message."""
        try:
            ref = channel.send(notification)
        except PermanentError as error:
            return ChannelDelivery(state=DeliveryState.FAILED, reason=error.reason), None
        except NoReplyError as error:
            failed[channel.name] = self.unavailable[channel.name] = error
            return replace(claim, claimed_until=None), None
        except TransientError as error:
            failed[channel.name] = self.unavailable[channel.name] = error
            return replace(before, claimed_until=None), None
        except Exception as error:  # noqa: BLE001 - a defect in one channel must not keep the alert from the others
            failed[channel.name] = error
            return replace(claim, claimed_until=None), None
        self.context.log(
            "alert_sent",
            notification.alert_message,
            channel=channel.name,
            kind=notification.kind,
            may_be_repeat=notification.may_be_repeat,
            age=round((self.context.clock() - notification.alert_message.at).total_seconds(), 1),
        )
        self.context.telemetry.measure(ALERTS_SENT, 1)
        return ChannelDelivery(state=DeliveryState.SENT), ref

    def _notification(
        self, incident: Incident, pending: PendingNotification, channel: str, *, may_be_repeat: bool
    ) -> Notification:
        thread, alert_message = incident.threads.get(pending.thread_id), pending.alert_message
        found = self.members.find((alert_message.member, *dict(alert_message.people)))
        member = found.get(alert_message.member)
        return Notification(
            alert_message=with_record(alert_message, member, self.rules),
            kind=pending.kind,
            member=member,
            may_be_repeat=may_be_repeat,
            first_message=thread.first_message if thread else None,
            thread_ref=thread.refs.get(channel) if thread else None,
            thread_id=pending.thread_id,
            acknowledged_by=incident.acknowledged_by if incident.acknowledged else "",
            muted_until=incident.muted_until,
            people=found,
            mask=self.rules.mask,
            zone=self.context.zone,
        )


def raise_longest(errors: Iterable[Exception]) -> None:
    """Raise the error that keeps the message longest, if any: a refusal by one channel is raised once the others have the notification."""
    longest = max(errors, key=_keeps_message_for, default=None)
    if longest is not None:
        raise longest


def _failed_for_good(incident: Incident, event_id: str) -> list[Exception]:
    """Return an error for each failed delivery of this event, with the reason that the dead letter carries."""
    own = incident.pending_for(event_id)
    failed = {
        channel: delivery.reason
        for channel, delivery in (own.deliveries if own else {}).items()
        if delivery.state is DeliveryState.FAILED
    }
    reasons = {**incident.given_up.get(event_id, {}), **failed}
    return [PermanentError(reason, channel) for channel, reason in reasons.items()]


def _keeps_message_for(error: Exception) -> tuple[int, float]:
    """Order errors by how long the message must be kept for them."""
    match error:
        case MisconfiguredError():
            return 3, error.retry_after or 0.0
        case TransientError():
            return 2, error.retry_after or 0.0
        case PermanentError():
            return 0, 0.0
        case _:
            return 1, 0.0
