"""Shows moments as people in the shop write them: `Thu 3 Jul 2025, 11:00 CEST`, by the shop's clock.

Rules know no time zone: they write a moment as `2025-07-03 09:00 UTC`, which is put into the shop's zone here. Names of
days and months are our own, so that no locale changes them.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from typing import Final

_MOMENT: Final = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\b", re.ASCII)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def local_time(at: datetime, zone: tzinfo) -> str:
    """Return a moment by the shop's clock, with the zone's name or its distance from UTC."""
    local = at.astimezone(zone)
    name = local.tzname() or ""
    if not name.isalpha():
        name = f"UTC{local:%z}"
    return f"{local_day(local)}, {local:%H:%M} {name}"


def local_day(day: date) -> str:
    """Return a day: `Thu 3 Jul 2025`."""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def localised(text: str, zone: tzinfo) -> str:
    """Return a text in which every moment that a rule has written is by the shop's clock."""
    return _MOMENT.sub(lambda found: _shown(found, zone), text)


def _shown(found: re.Match[str], zone: tzinfo) -> str:
    try:
        return local_time(datetime.fromisoformat(found[1]).replace(tzinfo=UTC), zone)
    except (ValueError, OverflowError):
        return found[0]  # not a rule's moment, but a text of the platform that looks like one
