"""An occasion: one matter that people are told of once, again when it grows worse, and when it is over.

Tellings of one matter come in any order and any number of times. Whether it ends open does not depend on
that: it is open if and only if the newest opening is newer than the newest closing. So a closing that
overtakes its opening leaves nothing open, and a closing that comes late ends nothing that began after it.
What is owed to a channel is kept here until that channel has it (`owing.py`); time is event time, `until`
excepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
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

RESOLVED_QUIETLY: Final = frozenset({"pagerduty"})
"""Channels in which an end wakes nobody, and without which an incident would stay open for good: a matter
that is muted is closed there all the same."""

_KEPT_CLOSED: Final = timedelta(days=45)
"""A closing is remembered for longer than an older event can still come: twice through a queue (4 days)
and the dead letters (14 days)."""

_KEPT_OPEN: Final = timedelta(days=400)
"""An open one waits for its end: a cancellation that is pending may be a year away."""

Kind: TypeAlias = Literal["opening", "rise", "mention", "closing", "notice"]
Verdict: TypeAlias = Literal[
    "opening", "rise", "joined", "mention", "closing", "tombstone", "stale", "known", "notice"
]

Why: TypeAlias = Literal["quiet", "flood"]
"""Why a telling waits: because it is night, or because too much happens at a time."""


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
    """A telling that some channel does not have yet; `episode` says to which beginning it belongs."""

    telling: Telling
    kind: Kind
    parts: Mapping[str, Part]
    episode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A telling that waits for a tick of the clock, whole: the morning, or the end of a flood."""

    telling: Telling
    kind: Kind
    channels: tuple[str, ...]
    why: Why

    @property
    def is_news(self) -> bool:
        """Tell whether it says that something is bad, or worse."""
        return self.kind in {"opening", "rise", "notice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One beginning that people were told of, and by channel where the rest of the matter is to be added."""

    first: Telling
    threads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """The memory of one matter; an untouched one is `Occasion(key=…)`.

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
    owed: tuple[Owed, ...] = ()
    held: Held | None = None
    episode: str = ""
    episodes: Mapping[str, Episode] = field(default_factory=dict)
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

    def owed_by(self, event_id: str) -> Owed | None:
        """Return what this event's telling still owes."""
        return next((owed for owed in self.owed if owed.telling.event_id == event_id), None)


def judge(occasion: Occasion, telling: Telling) -> Verdict:
    """Say what a telling means to the occasion as it stands."""
    if telling.event_id in occasion.told:
        return "known"
    alert = telling.alert
    if alert.action == "close":
        ends = occasion.newest_at is not None and telling.at >= occasion.newest_at
        return "closing" if occasion.open and ends else "tombstone"
    if alert.action == "mention" and (occasion.open or not alert.at_once):
        began = occasion.opened_at is not None and telling.at >= occasion.opened_at
        return "mention" if occasion.open and began else "stale"
    if occasion.closed_at is not None and telling.at <= occasion.closed_at:
        return "stale"
    if not occasion.open:
        return "opening"
    return "rise" if occasion.level is None or telling.alert.level > occasion.level else "joined"


def addressees(occasion: Occasion, telling: Telling, channels: Iterable[str]) -> tuple[str, ...]:
    """Return who is to hear of a telling, where an opening at its level is for `channels`.

    A rise is for those as well who have heard of the matter before. A closing and a mention are for them
    alone: one of them that is down has the opening first and the closing next, late but whole, for a
    closing can be bad news as well. What is `at_once` is for `channels` where nobody has heard anything.
    """
    verdict, level = judge(occasion, telling), telling.alert.level
    had = _had_opening(occasion)
    if occasion.muted_until is not None and telling.at < occasion.muted_until:
        return tuple(name for name in had if name in RESOLVED_QUIETLY) if verdict == "closing" else ()
    if occasion.acked and verdict in {"rise", "mention"} and level < Level.CRITICAL:
        return ()
    if verdict == "opening" or speaks_for_itself(occasion, telling):
        return tuple(channels)
    if verdict == "rise":
        return tuple(dict.fromkeys((*occasion.reached, *channels)))
    return had if verdict in {"mention", "closing"} else ()


def speaks_for_itself(occasion: Occasion, telling: Telling) -> bool:
    """Tell whether it is to be told though nobody has heard of the matter: that a fee is lost, for one.

    Its beginning may have been silent, held back, switched off or overtaken.
    """
    verdict = judge(occasion, telling)
    if not telling.alert.at_once:
        return False
    if verdict == "tombstone":
        newer = occasion.closed_at is None or telling.at > occasion.closed_at
        return newer and not occasion.open
    return verdict in {"mention", "closing"} and not occasion.reached


def step(
    occasion: Occasion, telling: Telling, channels: Iterable[str], *, hold: Why | None = None
) -> Occasion:
    """Return the occasion after a telling, which is owed to its addressees, or held back for a tick.

    An event is judged once, so a rule yields one alert at most for each occasion.
    """
    verdict = judge(occasion, telling)
    if verdict == "known":
        return occasion
    heard_by = addressees(occasion, telling, channels)
    # What is silent or stale is remembered too: dated by its receipt, its repeat would look like news.
    after = replace(occasion, told=(*occasion.told, telling.event_id)[-TOLD_KEPT:])
    at, level = telling.at, telling.alert.level
    if verdict in {"opening", "rise", "joined"}:
        lasting = telling.alert.lasting or (verdict != "opening" and after.lasting)
        after = replace(after, newest_at=_later(at, after.newest_at), lasting=lasting)
    if verdict in {"closing", "tombstone"}:
        after = replace(after, closed_at=_later(at, after.closed_at))
    match verdict:
        case "opening":
            after = replace(
                after, open=True, level=level, opened_at=at, reached=(), episode="", acked=False, held=None
            )
        case "rise":
            after = replace(after, level=level)
        case "closing":
            # What was held back of it has become nothing: whoever heard nothing has nothing to hear of.
            after = replace(_withdraw(after), open=False, held=None)
        case "stale" | "joined":
            return after
    if not heard_by:
        return _tidied(after)
    kind = _kind(occasion, telling)
    if hold:
        return replace(after, held=Held(telling=telling, kind=kind, channels=heard_by, why=hold))
    return _owe(after, telling, kind, heard_by)


def notice(occasion: Occasion, telling: Telling, channels: Iterable[str]) -> Occasion:
    """Return the occasion after something that is told once and is over at once: a digest, a roll-up."""
    if telling.event_id in occasion.told:
        return occasion
    after = replace(occasion, told=(*occasion.told, telling.event_id)[-TOLD_KEPT:], opened_at=telling.at)
    return _owe(after, telling, "notice", channels)


def release(occasion: Occasion) -> Occasion:
    """Return the occasion with what was held back owed."""
    held = occasion.held
    if held is None:
        return occasion
    return _owe(replace(occasion, held=None), held.telling, held.kind, held.channels)


def forget(occasion: Occasion) -> Occasion:
    """Return the occasion with nothing held back: it was told in another way, or is not to be told."""
    return _tidied(replace(occasion, held=None))


def with_parts(occasion: Occasion, parts_of: Callable[[Owed], Mapping[str, Part]]) -> Occasion:
    """Return the occasion with the parts of all that is owed as `parts_of` says; what all have is forgotten."""
    changed = (replace(owed, parts=parts_of(owed)) for owed in occasion.owed)
    unfinished = tuple(
        owed for owed in changed if any(part.state is not State.SENT for part in owed.parts.values())
    )
    return _tidied(replace(occasion, owed=unfinished))


def _kind(occasion: Occasion, telling: Telling) -> Kind:
    """Return as what a telling is told that somebody is to hear."""
    match judge(occasion, telling):
        case "rise" | "mention" as verdict:
            # A matter that began in silence begins for people when they hear of it first.
            return verdict if occasion.reached else "opening"
        case "closing" | "tombstone":
            return "notice" if speaks_for_itself(occasion, telling) else "closing"
        case _:
            return "opening"


def _owe(occasion: Occasion, telling: Telling, kind: Kind, channels: Iterable[str]) -> Occasion:
    parts = {channel: Part() for channel in channels}
    if not parts:
        return occasion
    if kind == "opening":
        episodes = {**occasion.episodes, telling.event_id: Episode(first=telling)}
        occasion = replace(occasion, episode=telling.event_id, episodes=episodes)
    owing = Owed(telling=telling, kind=kind, parts=parts, episode=occasion.episode)
    # A rise that is told at once stands for the smaller one that waited for its tick.
    held = None if kind in {"opening", "rise"} else occasion.held
    reached = tuple(dict.fromkeys((*occasion.reached, *parts)))
    return _tidied(replace(occasion, owed=(*occasion.owed, owing)[-OWED_KEPT:], reached=reached, held=held))


def _tidied(occasion: Occasion) -> Occasion:
    """Forget episodes to which nothing can be added any more."""
    wanted = {owed.episode for owed in occasion.owed}
    if occasion.open or occasion.held:
        wanted.add(occasion.episode)
    kept = {name: episode for name, episode in occasion.episodes.items() if name in wanted}
    return replace(occasion, episodes=kept)


def _had_opening(occasion: Occasion) -> tuple[str, ...]:
    """Return the channels that are to hear of the end: not those that refused the beginning."""
    refused = {
        channel
        for owed in occasion.owed
        for channel, part in owed.parts.items()
        if owed.kind == "opening" and part.state is State.GIVEN_UP and part.reason != UNCONFIRMED
    }
    return tuple(channel for channel in occasion.reached if channel not in refused)


def _withdraw(occasion: Occasion) -> Occasion:
    """Forget what was given up: a redrive is not to announce the beginning of what is over."""
    return with_parts(
        occasion,
        lambda owed: {name: part for name, part in owed.parts.items() if part.state is not State.GIVEN_UP},
    )


def _later(at: datetime, known: datetime | None) -> datetime:
    return at if known is None else max(at, known)
