"""`relay ack INCIDENT`: acknowledge an incident, so that escalations below critical are not sent."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from relay_cli.help import describe
from relay_cli.incidents import act_on_incident, add_incident_arguments
from relay_cli.output import show
from relay_cli.stack import Stack


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay ack dun:acme.myshopify.com:7001 --by Kim",
        notes="Later escalations below critical are not sent; the resolution is. It holds until the incident\n"
        "is resolved. The incident's thread in Slack says who has it.",
    )
    add_incident_arguments(parser)


def main(arguments: argparse.Namespace, stack_of: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Acknowledge the incident; return the exit code."""
    incident = act_on_incident(stack_of(arguments), arguments, "acknowledge")
    state = "open" if incident.is_open else "resolved already"
    result = {"incident": incident.key, "open": incident.is_open, "acknowledged_by": incident.acknowledged_by}
    show(arguments, result, f"{incident.key} is {state}; acknowledged by {incident.acknowledged_by}")
    return 0
