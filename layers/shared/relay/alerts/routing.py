"""Who hears of what, and when: the channels of each level, and the night in which warnings wait."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from relay.errors import MisconfiguredError
from relay.model.effects import Level
from relay.model.messages import AlertMessage
from relay.rules.settings import Channels, QuietHours, Rules

_PROGRAMME_ONLY: Final = frozenset({"pagerduty"})
"""Channels that wake somebody up: for the programme and the system, never for a single member."""

_ALWAYS: Final = "email"
"""The channel that every shop has: it stands in where none of those that a level names is configured."""


def channels_for(alert_message: AlertMessage, rules: Rules, configured: Iterable[str]) -> tuple[str, ...]:
    """Return the channels that hear of an opening at this level; none where it waits for the digest."""
    alert = alert_message.alert
    if alert.level is Level.INFO and not alert.at_once:
        return ()
    known = tuple(configured)
    wanted = _of_level(rules.channels, alert.level)
    if alert_message.member or alert_message.people:
        wanted = tuple(name for name in wanted if name not in _PROGRAMME_ONLY)
    return _present(wanted, known)


def digest_channels(rules: Rules, configured: Iterable[str]) -> tuple[str, ...]:
    """Return the channels that hear of a day's figures; nobody is woken up for them."""
    wanted = tuple(name for name in rules.channels.digest if name not in _PROGRAMME_ONLY)
    return _present(wanted, tuple(configured))


def is_quiet(moment: datetime, hours: QuietHours | None, zone: ZoneInfo) -> bool:
    """Tell whether it is night, by the shop's clock; the night ends with the minute at which it ends."""
    if hours is None or hours.begin == hours.end:
        return False
    local = moment.astimezone(zone).time()
    begin, end = _plain(hours.begin), _plain(hours.end)
    return begin <= local < end if begin < end else local >= begin or local < end


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises:
        MisconfiguredError: there is none by that name.

    """
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise MisconfiguredError("no time zone by the name in TIME_ZONE", setting="TIME_ZONE") from None


def _of_level(channels: Channels, level: Level) -> tuple[str, ...]:
    match level:
        case Level.CRITICAL:
            return channels.critical
        case Level.ERROR:
            return channels.error
        case _:
            return channels.warning


def _present(wanted: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    present = tuple(name for name in known if name in wanted)
    # An empty wish is somebody's will; a wish for a channel that is not there must not end in silence.
    return present or tuple(name for name in known if wanted and name == _ALWAYS)


def _plain(moment: time) -> time:
    return moment.replace(tzinfo=None)
