"""`relay alerts`: what is open, the worst first, as a table for people or as JSON for programs."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from relay_cli.account import Account, add_stack
from relay_cli.said_of import incidents, now

if TYPE_CHECKING:
    from relay.model.incident import Incident


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_stack(parser)
    parser.add_argument("--json", action="store_true", help="print them as a JSON list")


def main(arguments: argparse.Namespace) -> int:
    """Print the open matters; return the exit code.

    With `--json`: a list of objects with `incident`, `level`, `opened_at`, `channels`, `deferred` (whether a
    notification is), `muted_until`, `muted_by`, `acknowledged` and `acknowledged_by`.
    """
    found = sorted(
        incidents(Account(arguments.stack)).open_incidents(), key=lambda one: (-(one.level or 0), one.key)
    )
    if arguments.json:
        print(json.dumps([_row(one) for one in found], indent=2))
        return 0
    if not found:
        print("nothing is open")
        return 0
    wide = max(len(one.key) for one in found)
    for one in found:
        row = _row(one)
        print(f"{row['level']:<8}  {one.key:<{wide}}  {row['opened_at']}  {_remark(one)}".rstrip())
    return 0


def _row(one: Incident) -> dict[str, object]:
    return {
        "incident": one.key,
        "level": one.level.name.lower() if one.level else "info",
        "opened_at": one.opened_at.isoformat(timespec="minutes") if one.opened_at else None,
        "channels": list(one.channels),
        "deferred": one.deferred is not None,
        "muted_until": one.muted_until.isoformat() if one.muted_until else None,
        "muted_by": one.muted_by,
        "acknowledged": one.acknowledged,
        "acknowledged_by": one.acknowledged_by,
    }


def _remark(one: Incident) -> str:
    remarks = [
        "told by " + ", ".join(one.channels) if one.channels else "",
        "waits for the morning or the end of a flood" if one.deferred else "",
        f"muted until {one.muted_until:%Y-%m-%d %H:%M} UTC"
        if one.muted_until and one.muted_until > now()
        else "",
        f"acknowledged by {one.acknowledged_by}" if one.acknowledged else "",
    ]
    return "; ".join(remark for remark in remarks if remark)
