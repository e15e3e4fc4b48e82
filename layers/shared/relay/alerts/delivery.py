"""One batch's alert_messages, served channel by channel, so that a crash anywhere costs one marked repeat at most.

Every step is noted in the incident before and after it is taken: unsent → sending → sent. No server is
called while nobody has claimed the right to: of two runs with one incident, the table lets one win.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from relay.alerts.context import NotifierContext
from relay.alerts.member_lookup import MemberLookup
from relay.alerts.pending import drop, mark, next_pending
from relay.errors import ConflictError, MisconfiguredError, NoReplyError, PermanentError, TransientError
from relay.model.incident import UNCONFIRMED, ChannelDelivery, DeliveryState, Incident, PendingNotification
from relay.model.metrics import ALERTS_SENT
from relay.ports.alerts import AlertChannel, Notification
from relay.rules.settings import Rules

LEASE: Final = timedelta(seconds=60)
"""How long a channel's part stays claimed. The function's timeout may not be longer: after it, who
claimed is dead."""


@dataclass(slots=True)
class BatchDelivery:
    """One batch: the rules, who is spoken of, and the channels that failed in it and are left in peace until the next."""

    desk: NotifierContext
    rules: Rules
    names: MemberLookup
    down: dict[str, Exception] = field(default_factory=dict)

    def serve(self, incident: Incident, event_id: str) -> None:
        """Serve every channel that this event's alert_message is owed to, then raise the worst of what went wrong."""
        failed: dict[str, Exception] = {}
        while next_one := next_pending(incident, event_id, skip=failed):
            owed, channel = next_one
            try:
                incident = self._serve(incident, owed, channel, failed)
            except ConflictError:
                # Somebody else serves the same incident. Theirs is the newer truth, and may be all it takes.
                incident = self.desk.incidents.load(incident.key)
        _raise_worst([*failed.values(), *_given_up(incident, event_id)])

    def _serve(
        self, incident: Incident, owed: PendingNotification, name: str, failed: dict[str, Exception]
    ) -> Incident:
        """Take one channel one step on, and note how it went."""
        channel = next((channel for channel in self.desk.channels if channel.name == name), None)
        if channel is None:
            return self.desk.save(drop(incident, name))
        if name in self.down:
            failed[name] = self.down[name]
            return incident
        part, event_id, now = owed.parts[name], owed.alert_message.event_id, self.desk.clock()
        if part.until is not None and part.until > now:
            wait = (part.until - now).total_seconds()
            failed[name] = TransientError(f"{name}: being told by another run", retry_after=wait)
            return incident
        if part.state is DeliveryState.REPEATING:
            given_up = ChannelDelivery(state=DeliveryState.GIVEN_UP, reason=UNCONFIRMED)
            return self.desk.save(mark(incident, event_id, name, given_up))
        state = DeliveryState.SENDING if part.state is DeliveryState.UNSENT else DeliveryState.REPEATING
        claim = ChannelDelivery(state=state, until=now + LEASE)
        incident = self.desk.save(mark(incident, event_id, name, claim))
        announcement = self._announcement(incident, owed, name, repeat=claim.state is DeliveryState.REPEATING)
        after, thread = self._announce(channel, announcement, before=part, claim=claim, failed=failed)
        # What is ours by claim is noted, whatever others wrote meanwhile.
        return self.desk.change_known(incident, lambda known: mark(known, event_id, name, after, thread))

    def _announce(
        self,
        channel: AlertChannel,
        announcement: Notification,
        *,
        before: ChannelDelivery,
        claim: ChannelDelivery,
        failed: dict[str, Exception],
    ) -> tuple[ChannelDelivery, str | None]:
        """Tell one channel and return how its part stands then, and where the message is kept."""
        try:
            thread = channel.announce(announcement)
        except PermanentError as error:
            return ChannelDelivery(state=DeliveryState.GIVEN_UP, reason=error.reason), None
        except NoReplyError as error:
            failed[channel.name] = self.down[channel.name] = error
            return replace(claim, until=None), None
        except TransientError as error:
            failed[channel.name] = self.down[channel.name] = error
            return replace(before, until=None), None
        except Exception as error:  # noqa: BLE001 - a defect in one channel must not keep the others from being told
            failed[channel.name] = error
            return replace(claim, until=None), None
        kind, repeat = announcement.kind, announcement.repeat
        self.desk.log(
            "alert_sent", announcement.alert_message, channel=channel.name, kind=kind, repeat=repeat
        )
        self.desk.telemetry.measure(ALERTS_SENT, 1)
        return ChannelDelivery(state=DeliveryState.SENT), thread

    def _announcement(
        self, incident: Incident, owed: PendingNotification, channel: str, *, repeat: bool
    ) -> Notification:
        episode = incident.episodes.get(owed.episode)
        known = self.names.who((owed.alert_message.member, *dict(owed.alert_message.people)))
        return Notification(
            alert_message=owed.alert_message,
            kind=owed.kind,
            member=known.get(owed.alert_message.member),
            repeat=repeat,
            first=episode.first if episode else None,
            thread=episode.threads.get(channel) if episode else None,
            people=known,
            mask=self.rules.mask,
        )


def _given_up(incident: Incident, event_id: str) -> list[Exception]:
    """Return, for what a channel never got of this event, the reason that the dead letter shall carry."""
    owed = incident.owed_by(event_id)
    return [
        PermanentError(part.reason, channel)
        for channel, part in (owed.parts if owed else {}).items()
        if part.state is DeliveryState.GIVEN_UP
    ]


def _raise_worst(errors: Iterable[Exception]) -> None:
    """Raise what keeps the message alive the longest: what was given up for one channel can wait for the others."""
    worst = max(errors, key=urgency, default=None)
    if worst is not None:
        raise worst


def urgency(error: Exception) -> tuple[int, float]:
    """Order what went wrong by how long the message must live for it."""
    match error:
        case MisconfiguredError():
            return 3, error.retry_after or 0.0
        case TransientError():
            return 2, error.retry_after or 0.0
        case PermanentError():
            return 0, 0.0
        case _:
            return 1, 0.0
