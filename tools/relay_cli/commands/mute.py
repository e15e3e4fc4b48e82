"""`relay mute INCIDENT`: send nothing below critical about an incident for some time; its thread says how it ends."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from relay.model.incident_action import MUTE_PERIOD

from relay_cli.errors import UsageError
from relay_cli.help import describe
from relay_cli.incidents import act_on_incident, add_incident_arguments, now
from relay_cli.output import show
from relay_cli.stack import Stack

_DEFAULT_DAYS: Final = MUTE_PERIOD.days
_MAX_DAYS: Final = 366


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay mute dun:acme.myshopify.com:7001 --days 3",
        "relay mute dun:acme.myshopify.com:7001 --days 0    # end the mute",
        notes="Nothing below critical is sent meanwhile. How it ends is said once, in its thread in Slack.",
    )
    add_incident_arguments(parser)
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--days",
        metavar="DAYS",
        type=_days,
        default=_DEFAULT_DAYS,
        help="mute for DAYS days, 0 to 366; 0 ends a mute (default: %(default)s)",
    )
    end.add_argument(
        "--until", metavar="TIME", help="mute until this ISO 8601 time; UTC unless it has an offset"
    )


def main(arguments: argparse.Namespace, stack_of: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Mute the incident, or end its mute; return the exit code."""
    end = _end(arguments)
    until = end if arguments.until or arguments.days else None
    incident = act_on_incident(stack_of(arguments), arguments, "mute" if until else "unmute", until)
    state = f"muted until {until:%Y-%m-%d %H:%M} UTC" if until else "no longer muted"
    result = {"incident": incident.key, "muted_until": until, "muted_by": incident.muted_by}
    show(arguments, result, f"{incident.key} is {state}; changed by {incident.muted_by}")
    return 0


def _days(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no number of days") from None


def _end(arguments: argparse.Namespace) -> datetime:
    if not arguments.until:
        if not 0 <= arguments.days <= _MAX_DAYS:
            raise UsageError("--days must be between 0 and 366", "to mute for good, switch the rule off")
        return now() + timedelta(days=arguments.days)
    try:
        end = datetime.fromisoformat(arguments.until)
    except ValueError:
        raise UsageError(
            f"--until: {arguments.until} is not a time", "write it as 2030-12-31 or 2030-12-31T09:00"
        ) from None
    end = (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC)
    if end <= now():
        raise UsageError(f"--until: {end:%Y-%m-%d %H:%M} UTC is in the past", "`--days 0` ends a mute")
    return end
