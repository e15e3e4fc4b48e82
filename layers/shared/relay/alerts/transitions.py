"""How an occasion goes on from one telling to the next: it opens, grows worse, closes, or waits for a tick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from relay.alerts.classification import addressees, classify, notify_even_if_unannounced
from relay.alerts.pending import drop_failed, enqueue, tidied
from relay.model.incident import DeferReason, Deferred, Incident, NotificationKind
from relay.model.messages import AlertMessage

TOLD_KEPT: Final = 64
"""How many event ids an occasion remembers. The times and the level alone swallow most repeats; the ids
are for an event that comes again with another time (it had none, so its receipt counts) or another level
(the rules were changed). The longest matter that the rules allow, a dunning of 30 attempts told by two
topics, fits whole; 64 ids weigh some 3 KB, and alerts are rare."""


def apply(
    occasion: Incident, telling: AlertMessage, channels: Iterable[str], *, hold: DeferReason | None = None
) -> Incident:
    """Return the occasion after a telling, which is owed to its addressees, or held back for a tick.

    An event is judged once, so a rule yields one alert at most for each occasion.
    """
    verdict = classify(occasion, telling)
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
            after = replace(drop_failed(after), open=False, held=None)
        case "stale" | "joined":
            return after
    if not heard_by:
        return tidied(after)
    kind = _kind(occasion, telling)
    if hold:
        return replace(after, held=Deferred(telling=telling, kind=kind, channels=heard_by, why=hold))
    return enqueue(after, telling, kind, heard_by)


def notice(occasion: Incident, telling: AlertMessage, channels: Iterable[str]) -> Incident:
    """Return the occasion after something that is told once and is over at once: a digest, a roll-up."""
    if telling.event_id in occasion.told:
        return occasion
    after = replace(occasion, told=(*occasion.told, telling.event_id)[-TOLD_KEPT:], opened_at=telling.at)
    return enqueue(after, telling, "notice", channels)


def release_deferred(occasion: Incident) -> Incident:
    """Return the occasion with what was held back owed."""
    held = occasion.held
    if held is None:
        return occasion
    return enqueue(replace(occasion, held=None), held.telling, held.kind, held.channels)


def drop_deferred(occasion: Incident) -> Incident:
    """Return the occasion with nothing held back: it was told in another way, or is not to be told."""
    return tidied(replace(occasion, held=None))


def _kind(occasion: Incident, telling: AlertMessage) -> NotificationKind:
    """Return as what a telling is told that somebody is to hear."""
    match classify(occasion, telling):
        case "rise" | "mention" as verdict:
            # A matter that began in silence begins for people when they hear of it first.
            return verdict if occasion.reached else "opening"
        case "closing" | "tombstone":
            return "notice" if notify_even_if_unannounced(occasion, telling) else "closing"
        case _:
            return "opening"


def _later(at: datetime, known: datetime | None) -> datetime:
    return at if known is None else max(at, known)
