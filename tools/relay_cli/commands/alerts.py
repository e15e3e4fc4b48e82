"""`relay alerts`: list the open incidents, the most severe first, as a table or as JSON."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relay_cli.help import describe
from relay_cli.incidents import incident_store, now
from relay_cli.output import as_json, table
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.model.incident import Incident


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay alerts --stack relay-acme")


def main(arguments: argparse.Namespace) -> int:
    """Print the open incidents; return the exit code.

    With `--json`: a list of objects with `incident`, `level`, `opened_at`, `channels`, `deferred` (whether a
    message is deferred), `muted_until`, `muted_by`, `acknowledged` and `acknowledged_by`.
    """
    incidents = sorted(
        incident_store(Stack.of(arguments)).open_incidents(), key=lambda one: (-(one.level or 0), one.key)
    )
    if arguments.json:
        print(as_json([_row(incident) for incident in incidents]))
        return 0
    rows = [(_row(one)["level"], one.key, _row(one)["opened_at"], _remarks(one)) for one in incidents]
    print(table(("level", "incident", "opened", "remarks"), rows, empty="no open incidents"))
    return 0


def _row(incident: Incident) -> dict[str, object]:
    return {
        "incident": incident.key,
        "level": incident.level.name.lower() if incident.level else "info",
        "opened_at": incident.opened_at.isoformat(timespec="minutes") if incident.opened_at else None,
        "channels": list(incident.channels),
        "deferred": incident.deferred is not None,
        "muted_until": incident.muted_until.isoformat() if incident.muted_until else None,
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
