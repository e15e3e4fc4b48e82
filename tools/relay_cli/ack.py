"""`relay ack`: somebody has it in hand, so that rises below critical need not be told."""

from __future__ import annotations

import argparse
from dataclasses import replace

from relay_cli.said_of import add_matter, say


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_matter(parser)


def main(arguments: argparse.Namespace) -> int:
    """Note it; return the exit code. It holds until the matter is over; its end is told."""
    incident = say(arguments, lambda found, by: replace(found, acknowledged=True, acknowledged_by=by))
    state = "open" if incident.is_open else "over already"
    print(f"{incident.key} is {state}; acknowledged by {incident.acknowledged_by}")
    return 0
