"""An incident: people are alerted when it opens, again when it escalates, and when it is resolved.

Alert messages arrive in any order and any number of times. An incident is active if and only if its newest
`open` is newer than its newest `resolve`, whatever the order of arrival. So a `resolve` that overtakes its
`open` leaves nothing open, and a late `resolve` ends nothing that opened after it. `alerts/transitions.py` is the
state machine. Times are event time, except `claimed_until`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from relay.model.effects import Level, Outcome
from relay.model.messages import AlertMessage

_RETENTION_RESOLVED: Final = timedelta(days=45)
"""Longer than an older event can still arrive: twice through a queue (4 days) and the dead letters (14 days)."""

_RETENTION_ACTIVE: Final = timedelta(days=400)
"""An announced cancellation may be a year away."""

NotificationKind: TypeAlias = Literal["opened", "escalated", "updated", "resolved", "notice", "action"]

DeferReason: TypeAlias = Literal["quiet_hours", "flood"]
"""The reason of a deferral: quiet hours, or flood control (too many alerts at a time)."""


class DeliveryState(StrEnum):
    """The progress of the delivery of one notification to one channel."""

    UNSENT = "unsent"
    SENDING = "sending"  # begun; once the claim has expired, it is unknown whether it arrived
    RETRYING = "retrying"  # likewise, for the second and last time
    SENT = "sent"
    FAILED = "failed"  # refused, or unconfirmed twice: only a redrive tries again


UNCONFIRMED: Final = "unconfirmed"
"""The reason of a delivery that failed because it was unconfirmed twice."""


MAX_GIVEN_UP: Final = 20
"""Events whose given-up deliveries an incident remembers: a dead letter is written within minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDelivery:
    """The delivery of one notification to one channel. Until `claimed_until` it belongs to the invocation that claimed it."""

    state: DeliveryState = DeliveryState.UNSENT
    claimed_until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingNotification:
    """A notification that at least one channel does not have yet, and the thread that it belongs to."""

    alert_message: AlertMessage
    kind: NotificationKind
    deliveries: Mapping[str, ChannelDelivery]
    thread_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """A notification that waits for a clock tick: after quiet hours, or after a flood. `thread_id` is set for one that is kept."""

    alert_message: AlertMessage
    kind: NotificationKind
    channels: tuple[str, ...]
    reason: DeferReason
    thread_id: str = ""

    @property
    def is_escalation(self) -> bool:
        """Whether it reports that something is bad, or worse than before."""
        return self.kind in {"opened", "escalated", "notice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """The first message of an incident since it opened, and by channel the reference under which replies are added."""

    first_message: AlertMessage
    refs: Mapping[str, str] = field(default_factory=dict)


MAX_FORMER: Final = 4
"""Former incidents of one key that people still wait to hear the end of: fees of one member that failed one after the other."""


MAX_KEPT: Final = 8
"""Notifications of one incident that wait and that a later one does not include: ends and outcomes of one night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerIncident:
    """An incident that the next one under its key has overtaken, while nothing told its end: when it opened, and who was told where."""

    opened_at: datetime
    channels: tuple[str, ...]
    thread_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """The state of one incident; an unknown one is `Incident(key=…)`.

    `active` is set from the first `open` to the `resolve`. `level` only rises while active, `level_at` is the time of the event
    that raised it. `opened_at` is the time of the event that opened it, `last_opened_at` that of the newest `open`, `resolved_at` that of the newest
    `resolve`, ever. A `one_off` incident (a joining, a grant, a loss) takes escalations and updates, but
    waits for no resolution. `seen_event_ids` are the events already applied, the latest last. `channels` were notified since
    it opened. `threads` are kept by the id of the event that began each; `thread_id` is the present one.
    `deferred` is the notification that waits, `kept` are those before it which it does not include: an end, an outcome.
    `told` are the outcomes that were told since it opened. `former` are the incidents before it whose end was not told.
    `given_up` are the deliveries that failed and were withdrawn before a redrive, by event id, channel and reason: until its
    dead letter was written, nothing else says that a person was not told.
    A person sets `muted_until` and `acknowledged`; an acknowledgement holds until the incident opens anew.
    """

    key: str
    version: int = 0
    active: bool = False
    one_off: bool = False
    level: Level | None = None
    level_at: datetime | None = None
    opened_at: datetime | None = None
    last_opened_at: datetime | None = None
    resolved_at: datetime | None = None
    seen_event_ids: tuple[str, ...] = ()
    told: tuple[Outcome, ...] = ()
    former: tuple[FormerIncident, ...] = ()
    channels: tuple[str, ...] = ()
    pending: tuple[PendingNotification, ...] = ()
    given_up: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    deferred: Deferred | None = None
    kept: tuple[Deferred, ...] = ()
    thread_id: str = ""
    threads: Mapping[str, Thread] = field(default_factory=dict)
    muted_until: datetime | None = None
    muted_by: str = ""
    acknowledged: bool = False
    acknowledged_by: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it waits for its resolution: `relay alerts` lists these."""
        return self.active and not self.one_off

    @property
    def retention(self) -> timedelta:
        """How long the incident is kept after its last write."""
        return _RETENTION_ACTIVE if self.active else _RETENTION_RESOLVED

    def pending_for(self, event_id: str) -> PendingNotification | None:
        """Return this event's notification while a channel lacks it."""
        return next((one for one in self.pending if one.alert_message.event_id == event_id), None)
