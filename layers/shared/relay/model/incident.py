"""An incident: one matter that people are told of once, again when it grows worse, and when it is over.

Tellings of one matter come in any order and any number of times. Whether it ends open does not depend on
that: it is open if and only if the newest opening is newer than the newest closing. So a closing that
overtakes its opening leaves nothing open, and a closing that comes late ends nothing that began after it.
What a alert_message means to it says `judging.py`; what is owed to a channel is kept here until that channel has
it (`owing.py`). Time is event time, `until` excepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from relay.model.effects import Level
from relay.model.messages import AlertMessage

_KEPT_CLOSED: Final = timedelta(days=45)
"""A closing is remembered for longer than an older event can still come: twice through a queue (4 days)
and the dead letters (14 days)."""

_KEPT_OPEN: Final = timedelta(days=400)
"""An open one waits for its end: a cancellation that is pending may be a year away."""

NotificationKind: TypeAlias = Literal["opening", "rise", "mention", "closing", "notice"]

DeferReason: TypeAlias = Literal["quiet", "flood"]
"""Why an alert message waits: because it is night, or because too much happens at a time."""


class DeliveryState(StrEnum):
    """How far one channel is with one alert message."""

    UNSENT = "unsent"
    SENDING = "sending"  # begun; unless `until` is ahead, nobody knows whether it arrived
    REPEATING = "repeating"  # likewise, for the second and last time
    SENT = "sent"
    GIVEN_UP = "given_up"  # refused, or unclear twice: only a redrive tries again


UNCONFIRMED: Final = "unconfirmed"
"""The reason of what was given up because it was unclear twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDelivery:
    """One channel's share of an alert message. Nobody else touches it before `until` (wall clock)."""

    state: DeliveryState = DeliveryState.UNSENT
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingNotification:
    """A alert_message that some channel does not have yet; `episode` says to which beginning it belongs."""

    alert_message: AlertMessage
    kind: NotificationKind
    parts: Mapping[str, ChannelDelivery]
    episode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """A alert_message that waits for a tick of the clock, whole: the morning, or the end of a flood."""

    alert_message: AlertMessage
    kind: NotificationKind
    channels: tuple[str, ...]
    why: DeferReason

    @property
    def is_news(self) -> bool:
        """Tell whether it says that something is bad, or worse."""
        return self.kind in {"opening", "rise", "notice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One beginning that people were told of, and by channel where the rest of the matter is to be added."""

    first: AlertMessage
    threads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """The memory of one matter; an untouched one is `Incident(key=…)`.

    `level` only rises while open. `opened_at` is the time of what opened it, `newest_at` that of the
    newest opening that joined, `closed_at` that of the newest closing, ever. What is not `lasting` stays open to
    what is added to it, and is nothing that a person has to see to (`stands`). `told` are the ids of the
    events that were judged, the latest last; `reached` the channels that this opening was addressed to.
    `episodes` are kept by the id of the event that was told first, `episode` is the present one.
    `muted_until` and `acked` are what a person asked for, `said_by` is who: an acknowledgement holds
    until the matter opens anew.
    """

    key: str
    version: int = 0
    open: bool = False
    lasting: bool = True
    level: Level | None = None
    opened_at: datetime | None = None
    newest_at: datetime | None = None
    closed_at: datetime | None = None
    told: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    owed: tuple[PendingNotification, ...] = ()
    held: Deferred | None = None
    episode: str = ""
    episodes: Mapping[str, Thread] = field(default_factory=dict)
    muted_until: datetime | None = None
    acked: bool = False
    said_by: str = ""

    @property
    def stands(self) -> bool:
        """Whether it is open and waits for its end: such a matter is in the list of what is open."""
        return self.open and self.lasting

    @property
    def kept_for(self) -> timedelta:
        """How long it is worth remembering from its last write on."""
        return _KEPT_OPEN if self.open else _KEPT_CLOSED

    def owed_by(self, event_id: str) -> PendingNotification | None:
        """Return what this event's alert_message still owes."""
        return next((owed for owed in self.owed if owed.alert_message.event_id == event_id), None)
