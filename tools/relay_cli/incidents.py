"""Read and change the incidents of a stack: what `relay alerts`, `ack`, `mute` and `test-alert` share."""

from __future__ import annotations

import argparse
import getpass
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from relay.model.incident_action import INCIDENT_ACTION_TOPIC, MAX_NAME_LENGTH, IncidentAction, Verb

from relay_cli.errors import CliError
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.adapters.dynamodb.incidents import DynamoIncidents
    from relay.model.incident import Incident


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


def act_on_incident(
    stack: Stack, arguments: argparse.Namespace, verb: Verb, until: datetime | None = None
) -> Incident:
    """Act on the incident that the arguments name, and return it as written; the notifier says so in its thread.

    Raises:
        CliError: there is no such incident, or it cannot be written.

    """
    from relay.alerts.actions import act
    from relay.errors import TransientError
    from relay.ports.optimistic import retry_conflicts

    store = incident_store(stack)
    action = IncidentAction(
        id=secrets.token_hex(16),
        at=now(),
        incident_key=arguments.incident,
        verb=verb,
        by=(arguments.by or getpass.getuser())[:MAX_NAME_LENGTH],
        until=until,
    )

    def write(found: Incident) -> Incident:
        if not found.version:
            raise CliError(f"there is no incident {arguments.incident}", "`relay alerts` lists the open ones")
        changed = act(found, action)
        store.save(changed)
        return changed

    def read() -> Incident:
        return store.load(arguments.incident)

    try:
        incident = retry_conflicts(read(), write, read, what="the incident")
    except TransientError as error:
        raise CliError(f"the incident cannot be written: {error}", "try again in a minute") from None
    if incident.pending_for(action.id):
        # It is done; the notifier finds it in the incident, and delivers what the thread says of it.
        send_to_notifier(stack, action.as_json(), INCIDENT_ACTION_TOPIC)
    return incident


def send_to_notifier(stack: Stack, body: str, topic: str) -> None:
    """Send a message of this topic to the notifier's queue."""
    from relay.model.header import MessageHeader

    stack.client("sqs").send_message(
        QueueUrl=stack.output("AlertsUrl"),
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value}
            for name, value in MessageHeader(topic=topic).attributes.items()
        },
    )
