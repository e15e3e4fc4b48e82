"""`relay ack INCIDENT`: acknowledge an incident, so that escalations below critical are not sent."""

from __future__ import annotations

import argparse
from dataclasses import replace

from relay_cli.help import describe
from relay_cli.incidents import add_incident_arguments, change_incident
from relay_cli.output import show


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay ack dun:acme.myshopify.com:7001 --by Kim",
        notes="Later escalations below critical are not sent; the resolution is. It holds until the incident\n"
        "is resolved.",
    )
    add_incident_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
    """Acknowledge the incident; return the exit code."""
    incident = change_incident(
        arguments, lambda found, by: replace(found, acknowledged=True, acknowledged_by=by)
    )
    state = "open" if incident.is_open else "resolved already"
    result = {"incident": incident.key, "open": incident.is_open, "acknowledged_by": incident.acknowledged_by}
    show(arguments, result, f"{incident.key} is {state}; acknowledged by {incident.acknowledged_by}")
    return 0
