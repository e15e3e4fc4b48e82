"""Decides which channels an alert of each level goes to, and which moments lie in the quiet hours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from relay.model.effects import Level
from relay.model.messages import AlertMessage
from relay.rules.settings import Channels, QuietHours, Rules

_PROGRAMME_ONLY: Final = frozenset({"pagerduty"})
"""Channels that page a person: for the programme and the system, never for a single member."""

_FALLBACK: Final = "email"
"""The channel that every shop has: it takes the place of a level's channels where none of them is configured."""


def channels_for(alert_message: AlertMessage, rules: Rules, configured: Iterable[str]) -> tuple[str, ...]:
    """Return the channels of an opening at this level; none where only the digest has it."""
    alert = alert_message.alert
    if alert.level is Level.INFO and not alert.immediate:
        return ()
    wanted = _of_level(rules.channels, alert.level)
    if alert_message.member or alert_message.people:
        wanted = tuple(name for name in wanted if name not in _PROGRAMME_ONLY)
    return _available(wanted, tuple(configured))


def digest_channels(rules: Rules, configured: Iterable[str]) -> tuple[str, ...]:
    """Return the channels of the daily digest, never one that pages."""
    wanted = tuple(name for name in rules.channels.digest if name not in _PROGRAMME_ONLY)
    return _available(wanted, tuple(configured))


def is_quiet(moment: datetime, hours: QuietHours | None, zone: ZoneInfo) -> bool:
    """Return whether a moment lies in the quiet hours of the shop's time zone: the begin included, the end not."""
    if hours is None or hours.begin == hours.end:
        return False
    local = moment.astimezone(zone).time()
    begin, end = _naive(hours.begin), _naive(hours.end)
    return begin <= local < end if begin < end else local >= begin or local < end


def _of_level(channels: Channels, level: Level) -> tuple[str, ...]:
    match level:
        case Level.CRITICAL:
            return channels.critical
        case Level.ERROR:
            return channels.error
        case _:
            return channels.warning


def _available(wanted: tuple[str, ...], configured: tuple[str, ...]) -> tuple[str, ...]:
    available = tuple(name for name in configured if name in wanted)
    # An empty list is the merchant's choice; a list of channels that are not configured must not end in silence.
    return available or tuple(name for name in configured if wanted and name == _FALLBACK)


def _naive(moment: time) -> time:
    return moment.replace(tzinfo=None)
