"""Read and change the incidents of a stack: what `relay alerts`, `ack`, `mute` and `test-alert` share."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from relay_cli.errors import CliError
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.adapters.dynamodb.incidents import DynamoIncidents
    from relay.model.incident import Incident

_MAX_NAME_LENGTH: Final = 80


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def add_incident_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the incident's key and the name of the person who changes it."""
    parser.add_argument("incident", metavar="INCIDENT", help="key of the incident, as its alert shows it")
    parser.add_argument(
        "--by", metavar="NAME", default=None, help="your name, kept with the incident (default: your login)"
    )


def incident_store(stack: Stack) -> DynamoIncidents:
    """Return the store of a stack's incidents."""
    from relay.adapters.dynamodb.incidents import DynamoIncidents

    return DynamoIncidents(stack.output("IncidentsTable"), now, stack.aws())


def change_incident(arguments: argparse.Namespace, change: Callable[[Incident, str], Incident]) -> Incident:
    """Change the incident that the arguments name, and return it as written. `change` gets the person's name.

    Raises:
        CliError: there is no such incident, or it cannot be written.

    """
    from relay.errors import TransientError
    from relay.ports.optimistic import retry_conflicts

    store = incident_store(Stack.of(arguments))
    by = (arguments.by or getpass.getuser())[:_MAX_NAME_LENGTH]

    def write(found: Incident) -> Incident:
        if not found.version:
            raise CliError(f"there is no incident {arguments.incident}", "`relay alerts` lists the open ones")
        changed = change(found, by)
        store.save(changed)
        return changed

    def read() -> Incident:
        return store.load(arguments.incident)

    try:
        return retry_conflicts(read(), write, read, what="the incident")
    except TransientError as error:
        raise CliError(f"the incident cannot be written: {error}", "try again in a minute") from None
