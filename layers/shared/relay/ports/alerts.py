"""How people are reached: what a channel is handed to tell them, and what the notifier remembers of each matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from relay.model.hold_queue import HoldQueue
from relay.model.incident import Incident, NotificationKind
from relay.model.member import Member
from relay.model.messages import AlertMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What people are to be told: one alert message of one incident.

    `kind` is the opening, a rise in level, a mention, the closing, or a notice that is over at once.
    `member` is the record as it is now, None where it cannot be read; `people` are those that a message
    about many names. `repeat` marks one that may have been told before. `first` is what people were told
    of this matter first, `thread` where the channel keeps it, as its `announce` has said. `mask` keeps
    names and addresses short.
    """

    alert_message: AlertMessage
    kind: NotificationKind
    member: Member | None
    repeat: bool = False
    first: AlertMessage | None = None
    thread: str | None = None
    people: Mapping[str, Member] = field(default_factory=dict)
    mask: bool = True


class AlertChannel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """What the incident remembers it by."""
        ...

    def announce(self, announcement: Notification) -> str | None:
        """Tell them; return where it was kept, for a channel that can add to it later.

        Raises:
            TransientError: not now.
            MisconfiguredError: the setting that it names is wrong.
            PermanentError: never in this form.

        """
        ...


class IncidentStore(Protocol):
    """The notifier's memory."""

    def load(self, key: str) -> Incident:
        """Read an incident; an untouched one where there is none yet."""
        ...

    def save(self, incident: Incident) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: when it was written since.

        """
        ...

    def room(self) -> HoldQueue:
        """Read the waiting room; an empty one where there is none yet."""
        ...

    def keep(self, room: HoldQueue) -> None:
        """Write the waiting room as version + 1. Errors as in `save`."""
        ...
