"""`relay mute`: nobody is told of a matter for a while, not even that it is over."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from relay_cli.failing import CliError
from relay_cli.said_of import add_matter, now, say

_DAYS: Final = 7
_LONGEST: Final = 366


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_matter(parser)
    until = parser.add_mutually_exclusive_group()
    until.add_argument(
        "--days", type=float, default=_DAYS, help="for so many days (default: %(default)s); 0 ends it"
    )
    until.add_argument("--until", help="until this time instead (ISO 8601; UTC unless it says otherwise)")


def main(arguments: argparse.Namespace) -> int:
    """Note it; return the exit code."""
    end = _end(arguments)
    until = end if arguments.until or arguments.days else None
    incident = say(arguments, lambda found, by: replace(found, muted_until=until, muted_by=by))
    how = f"muted until {until:%Y-%m-%d %H:%M} UTC" if until else "heard again"
    print(f"{incident.key} is {how}, says {incident.muted_by}")
    return 0


def _end(arguments: argparse.Namespace) -> datetime:
    if not arguments.until:
        if not 0 <= arguments.days <= _LONGEST:
            raise CliError(
                "--days: between 0 and 366", "a rule that never helps is switched off in the rules"
            )
        return now() + timedelta(days=arguments.days)
    try:
        end = datetime.fromisoformat(arguments.until)
    except ValueError:
        raise CliError(
            f"--until: {arguments.until} is no time", "write it as 2030-12-31 or 2030-12-31T09:00"
        ) from None
    end = (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC)
    if end <= now():
        raise CliError(f"--until: {end:%Y-%m-%d %H:%M} UTC is over already", "`--days 0` ends a mute")
    return end
