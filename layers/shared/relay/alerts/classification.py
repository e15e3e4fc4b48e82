"""What a telling means to its occasion as it stands, and who is to hear of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from relay.model.effects import Level
from relay.model.incident import UNCONFIRMED, DeliveryState, Incident
from relay.model.messages import AlertMessage

Classification: TypeAlias = Literal[
    "opening", "rise", "joined", "mention", "closing", "tombstone", "stale", "known", "notice"
]

RESOLVED_QUIETLY: Final = frozenset({"pagerduty"})
"""Channels in which an end wakes nobody, and without which an incident would stay open for good: a matter
that is muted is closed there all the same."""


def classify(occasion: Incident, telling: AlertMessage) -> Classification:
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


def addressees(occasion: Incident, telling: AlertMessage, channels: Iterable[str]) -> tuple[str, ...]:
    """Return who is to hear of a telling, where an opening at its level is for `channels`.

    A rise is for those as well who have heard of the matter before. A closing and a mention are for them
    alone: one of them that is down has the opening first and the closing next, late but whole, for a
    closing can be bad news as well. What is `at_once` is for `channels` where nobody has heard anything.
    """
    verdict, level = classify(occasion, telling), telling.alert.level
    had = _had_opening(occasion)
    if occasion.muted_until is not None and telling.at < occasion.muted_until:
        return tuple(name for name in had if name in RESOLVED_QUIETLY) if verdict == "closing" else ()
    if occasion.acked and verdict in {"rise", "mention"} and level < Level.CRITICAL:
        return ()
    if verdict == "opening" or notify_even_if_unannounced(occasion, telling):
        return tuple(channels)
    if verdict == "rise":
        return tuple(dict.fromkeys((*occasion.reached, *channels)))
    return had if verdict in {"mention", "closing"} else ()


def notify_even_if_unannounced(occasion: Incident, telling: AlertMessage) -> bool:
    """Tell whether it is to be told though nobody has heard of the matter: that a fee is lost, for one.

    Its beginning may have been silent, held back, switched off or overtaken.
    """
    verdict = classify(occasion, telling)
    if not telling.alert.at_once:
        return False
    if verdict == "tombstone":
        newer = occasion.closed_at is None or telling.at > occasion.closed_at
        return newer and not occasion.open
    return verdict in {"mention", "closing"} and not occasion.reached


def _had_opening(occasion: Incident) -> tuple[str, ...]:
    """Return the channels that are to hear of the end: not those that refused the beginning."""
    refused = {
        channel
        for owed in occasion.owed
        for channel, part in owed.parts.items()
        if owed.kind == "opening" and part.state is DeliveryState.GIVEN_UP and part.reason != UNCONFIRMED
    }
    return tuple(channel for channel in occasion.reached if channel not in refused)
