"""What an operator says of a matter, written into its incident: on top of what is there, never over it."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from relay_cli.account import Account, add_stack
from relay_cli.failing import CliError

if TYPE_CHECKING:
    from relay.adapters.dynamodb.incidents import DynamoIncidents
    from relay.model.incident import Incident

_TRIES: Final = 5
_LONGEST_NAME: Final = 80


def now() -> datetime:
    """Return the wall clock's time."""
    return datetime.now(UTC)


def add_matter(parser: argparse.ArgumentParser) -> None:
    """Let the command be told which matter it is about, and who says so."""
    add_stack(parser)
    parser.add_argument("incident", help="the incident, as its alert names it at the end")
    parser.add_argument("--by", default=None, help="who says so (default: your name on this machine)")


def incidents(account: Account) -> DynamoIncidents:
    """Return the notifier's memory of a stack."""
    from relay.adapters.dynamodb.incidents import DynamoIncidents

    return DynamoIncidents(account.output("IncidentsTable"), now, account.client("dynamodb"))


def say(arguments: argparse.Namespace, change: Callable[[Incident, str], Incident]) -> Incident:
    """Change an incident as the operator said; `change` gets it with the operator's name.

    Raises:
        CliError: when there is no such incident, or it is being written all the time.

    """
    from relay.errors import ConflictError, TransientError

    memory = incidents(Account(arguments.stack))
    by = (arguments.by or getpass.getuser())[:_LONGEST_NAME]
    for _ in range(_TRIES):
        try:
            found = memory.load(arguments.incident)
            if not found.version:
                raise CliError(
                    f"there is no incident {arguments.incident}", "`relay alerts` lists what is open"
                )
            changed = change(found, by)
            memory.save(changed)
        except ConflictError:
            continue
        except TransientError as error:
            raise CliError(f"the stack's memory cannot be written: {error}") from None
        return changed
    raise CliError("the incident is being written all the time", "try again in a minute")
