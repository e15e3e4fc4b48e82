"""An occasion: one matter that people are told of once, again when it grows worse, and when it is over.

Tellings of one matter come in any order and any number of times. Whether it ends open does not depend on
that: it is open if and only if the newest opening is newer than the newest closing. So a closing that
overtakes its opening leaves nothing open, and a closing that comes late ends nothing that began after it.
What is owed to a channel is kept here until that channel has it; time is event time, `until` excepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from relay.changes import Telling
from relay.effects import Level

TOLD_KEPT: Final = 64
"""How many event ids an occasion remembers. The times and the level alone swallow most repeats; the ids
are for an event that comes again with another time (it had none, so its receipt counts) or another level
(the rules were changed). The longest matter that the rules allow, a dunning of 30 attempts told by two
topics, fits whole; 64 ids weigh some 3 KB, and alerts are rare."""

OWED_KEPT: Final = 20
"""How many tellings wait for a channel that is down. Beyond it the oldest give way, an opening always
before its closing, so that an alarm that flaps through an outage of days cannot outgrow its item."""

_KEPT_CLOSED: Final = timedelta(days=45)
"""A closing is remembered for longer than an older event can still come: twice through a queue (4 days)
and the dead letters (14 days)."""

_KEPT_OPEN: Final = timedelta(days=400)
"""An open one waits for its end: a cancellation that is pending may be a year away."""

Kind: TypeAlias = Literal["opening", "rise", "mention", "closing"]
Verdict: TypeAlias = Literal["opening", "rise", "mention", "closing", "joined", "tombstone", "stale", "known"]


class State(StrEnum):
    """How far one channel is with one telling."""

    UNSENT = "unsent"
    SENDING = "sending"  # begun; unless `until` is ahead, nobody knows whether it arrived
    REPEATING = "repeating"  # likewise, for the second and last time
    SENT = "sent"
    GIVEN_UP = "given_up"  # refused, or unclear twice: only a redrive tries again


UNCONFIRMED: Final = "unconfirmed"
"""The reason of what was given up because it was unclear twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One channel's share of a telling. Nobody else touches it before `until` (wall clock)."""

    state: State = State.UNSENT
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A telling that some channel does not have yet."""

    telling: Telling
    kind: Kind
    parts: Mapping[str, Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """The memory of one matter; an untouched one is `Occasion(key=…)`.

    `level` only rises while open. `opened_at` is the time of what opened it, `newest_at` that of the
    newest opening that joined, `closed_at` that of the newest closing, ever. `told` are the ids of the
    events that were judged, the latest last; `reached` the channels that this opening was addressed to.
    """

    key: str
    version: int = 0
    open: bool = False
    level: Level | None = None
    opened_at: datetime | None = None
    newest_at: datetime | None = None
    closed_at: datetime | None = None
    told: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    owed: tuple[Owed, ...] = ()

    @property
    def kept_for(self) -> timedelta:
        """How long it is worth remembering from its last write on."""
        return _KEPT_OPEN if self.open else _KEPT_CLOSED

    def owed_by(self, event_id: str) -> Owed | None:
        """Return what this event's telling still owes."""
        return next((owed for owed in self.owed if owed.telling.event_id == event_id), None)


def judge(occasion: Occasion, telling: Telling) -> Verdict:
    """Say what a telling means to the occasion as it stands."""
    if telling.event_id in occasion.told:
        return "known"
    if telling.alert.action == "close":
        ends = occasion.newest_at is not None and telling.at >= occasion.newest_at
        return "closing" if occasion.open and ends else "tombstone"
    if occasion.closed_at is not None and telling.at <= occasion.closed_at:
        return "stale"
    if telling.alert.action == "mention":
        began = occasion.opened_at is not None and telling.at >= occasion.opened_at
        return "mention" if occasion.open and began else "stale"
    if not occasion.open:
        return "opening"
    return "rise" if occasion.level is None or telling.alert.level > occasion.level else "joined"


def step(occasion: Occasion, telling: Telling, channels: Iterable[str]) -> Occasion:
    """Return the occasion after a telling; an opening and a rise are owed to `channels`.

    A closing is owed to the channels that the opening was addressed to. One of them that is down has the
    opening first and the closing next, late but whole: a closing can be bad news as well. An event is
    judged once, so a rule yields one alert at most for each occasion.
    """
    verdict = judge(occasion, telling)
    if verdict == "known":
        return occasion
    # What is silent or stale is remembered too: dated by its receipt, its repeat would look like news.
    after = replace(occasion, told=(*occasion.told, telling.event_id)[-TOLD_KEPT:])
    at, level = telling.at, telling.alert.level
    if verdict in {"opening", "rise", "joined"}:
        after = replace(after, newest_at=_later(at, after.newest_at))
    if verdict in {"closing", "tombstone"}:
        after = replace(after, closed_at=_later(at, after.closed_at))
    if verdict == "opening":
        opened = replace(after, open=True, level=level, opened_at=at, reached=())
        return _owe(opened, telling, verdict, channels)
    if verdict == "rise":
        return _owe(replace(after, level=level), telling, verdict, channels)
    if verdict == "mention":
        return _owe(after, telling, verdict, _had_opening(occasion))
    if verdict == "closing":
        return _owe(_withdraw(replace(after, open=False)), telling, verdict, _had_opening(occasion))
    return after


def due(occasion: Occasion, event_id: str, skip: Iterable[str] = ()) -> tuple[Owed, str] | None:
    """Return the next telling and channel that stand between this event and being told; None when done.

    In the order in which they were owed, so that no channel hears of an end before the beginning. What
    is owed after this event's own telling is another message's work, and so is everything when this
    event joined silently: an outage is not to be probed by all who stand by.
    """
    own = occasion.owed_by(event_id)
    if own is None:
        return None
    skipped = frozenset(skip)
    for owed in occasion.owed[: occasion.owed.index(own) + 1]:
        for channel, part in owed.parts.items():
            if channel not in skipped and part.state not in {State.SENT, State.GIVEN_UP}:
                return owed, channel
    return None


def mark(occasion: Occasion, event_id: str, channel: str, part: Part) -> Occasion:
    """Return the occasion with one channel's part as it is now; a telling that all have is forgotten."""

    def parts_of(owed: Owed) -> Mapping[str, Part]:
        ours = owed.telling.event_id == event_id and channel in owed.parts
        return {**owed.parts, channel: part} if ours else owed.parts

    return _with_parts(occasion, parts_of)


def drop(occasion: Occasion, channel: str) -> Occasion:
    """Owe nothing more to a channel that is no longer configured."""
    return _with_parts(
        occasion, lambda owed: {name: part for name, part in owed.parts.items() if name != channel}
    )


def revive(occasion: Occasion, event_id: str) -> Occasion:
    """Try again what was given up: a person has redriven this event. What was unclear still is."""
    own = occasion.owed_by(event_id)
    for channel, part in (own.parts if own else {}).items():
        if part.state is State.GIVEN_UP:
            state = State.SENDING if part.reason == UNCONFIRMED else State.UNSENT
            occasion = mark(occasion, event_id, channel, Part(state=state))
    return occasion


def _owe(occasion: Occasion, telling: Telling, kind: Kind, channels: Iterable[str]) -> Occasion:
    parts = {channel: Part() for channel in channels}
    if not parts:
        return occasion
    owed = (*occasion.owed, Owed(telling=telling, kind=kind, parts=parts))[-OWED_KEPT:]
    reached = tuple(dict.fromkeys((*occasion.reached, *parts)))
    return replace(occasion, owed=owed, reached=reached)


def _had_opening(occasion: Occasion) -> list[str]:
    """Return the channels that are to hear of the end: not those that refused the beginning."""
    refused = {
        channel
        for owed in occasion.owed
        for channel, part in owed.parts.items()
        if owed.kind == "opening" and part.state is State.GIVEN_UP and part.reason != UNCONFIRMED
    }
    return [channel for channel in occasion.reached if channel not in refused]


def _withdraw(occasion: Occasion) -> Occasion:
    """Forget what was given up: a redrive is not to announce the beginning of what is over."""
    return _with_parts(
        occasion,
        lambda owed: {name: part for name, part in owed.parts.items() if part.state is not State.GIVEN_UP},
    )


def _with_parts(occasion: Occasion, parts_of: Callable[[Owed], Mapping[str, Part]]) -> Occasion:
    changed = (replace(owed, parts=parts_of(owed)) for owed in occasion.owed)
    unfinished = (
        owed for owed in changed if any(part.state is not State.SENT for part in owed.parts.values())
    )
    return replace(occasion, owed=tuple(unfinished))


def _later(at: datetime, known: datetime | None) -> datetime:
    return at if known is None else max(at, known)
