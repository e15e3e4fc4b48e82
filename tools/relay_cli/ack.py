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
    incident_key = say(arguments, lambda found: replace(found, acked=True))
    state = "open" if incident_key.stands else "over already"
    print(f"{incident_key.key} is {state}; acknowledged by {incident_key.said_by}")
    return 0
