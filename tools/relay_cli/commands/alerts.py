"""`relay alerts`: list the open incidents with their members, the most severe first."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from relay_cli.help import describe
from relay_cli.incidents import incident_store, now
from relay_cli.output import show
from relay_cli.overview.incidents import incident_blocks, incident_rows
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.model.incident import Incident


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay alerts --stack relay-acme",
        notes="`relay ack` and `relay mute` take an incident by the key in the last line of its entry.",
    )


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Print the open incidents; return the exit code.

    With `--json`: a list of objects with `incident`, `level`, `title`, `customer`, `amount`, `opened_at`,
    `age_seconds`, `link`, `channels`, `deferred` (whether a message is deferred), `muted_until`, `muted_by`,
    `acknowledged` and `acknowledged_by`.
    """
    found = {one.key: one for one in incident_store(open_stack(arguments)).open_incidents()}
    rows = incident_rows(found.values(), now())
    remarks = {key: _remarks(one) for key, one in found.items()}
    value = [{**row, **_state(found[row["incident"]])} for row in rows]
    show(arguments, value, incident_blocks(rows, remarks) or "no open incidents")
    return 0


def _state(incident: Incident) -> dict[str, Any]:
    return {
        "channels": list(incident.channels),
        "deferred": incident.deferred is not None,
        "muted_until": incident.muted_until,
        "muted_by": incident.muted_by,
        "acknowledged": incident.acknowledged,
        "acknowledged_by": incident.acknowledged_by,
    }


def _remarks(incident: Incident) -> str:
    remarks = [
        "sent to " + ", ".join(incident.channels) if incident.channels else "",
        "deferred by quiet hours or flood control" if incident.deferred else "",
        f"muted until {incident.muted_until:%Y-%m-%d %H:%M} UTC"
        if incident.muted_until and incident.muted_until > now()
        else "",
        f"acknowledged by {incident.acknowledged_by}" if incident.acknowledged else "",
    ]
    return "; ".join(remark for remark in remarks if remark)
