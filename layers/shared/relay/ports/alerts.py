"""Ports of alerts: the channel that sends a notification to people, and the store of incidents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from relay.model.hold_queue import HoldQueue
from relay.model.incident import Incident, NotificationKind
from relay.model.member import Member
from relay.model.messages import AlertMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to people about one incident.

    `kind` is opened, escalated, updated, resolved, a notice that needs no resolution, or a person's action. `member` is the present
    record, None where it cannot be read; `people` are the members that a message about many names. `may_be_repeat`
    marks a message that may have been sent before. `first_message` is what people read first of this incident,
    `thread_ref` what the channel's `send` returned for it, `thread_id` the event that opened it. `acknowledged_by` and
    `muted_until` are what people did since. `mask` shortens names and addresses.
    `zone` is the shop's, by whose clock people read times.
    """

    alert_message: AlertMessage
    kind: NotificationKind
    member: Member | None
    may_be_repeat: bool = False
    first_message: AlertMessage | None = None
    thread_ref: str | None = None
    thread_id: str = ""
    acknowledged_by: str = ""
    muted_until: datetime | None = None
    people: Mapping[str, Member] = field(default_factory=dict)
    mask: bool = True
    zone: tzinfo = UTC


class AlertChannel(Protocol):
    """One way to send notifications to people."""

    @property
    def name(self) -> str:
        """The name under which incidents and rules know the channel."""
        ...

    def send(self, notification: Notification) -> str | None:
        """Send it; return the reference for later replies, None for a channel without threads.

        Raises:
            NoReplyError: it may have arrived.
            TransientError: not now.
            MisconfiguredError: the setting that it names is wrong.
            PermanentError: never in this form.

        """
        ...


class Responder(Protocol):
    """Answers the person who clicked, so that only this person sees it."""

    def answer(self, response_url: str, text: str) -> bool:
        """Return whether the answer was taken. Never raises."""
        ...


class IncidentStore(Protocol):
    """The store of incidents, with the hold queue."""

    def load(self, key: str) -> Incident:
        """Read an incident; return an empty one for an unknown key."""
        ...

    def save(self, incident: Incident) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: another writer wrote first.

        """
        ...

    def load_hold_queue(self) -> HoldQueue:
        """Read the hold queue; return an empty one where there is none yet."""
        ...

    def save_hold_queue(self, queue: HoldQueue) -> None:
        """Write the hold queue as version + 1. Errors as in `save`."""
        ...
