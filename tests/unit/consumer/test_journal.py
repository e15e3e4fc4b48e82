"""The journal's lines: whole, small, and JSON whatever a body holds."""

from __future__ import annotations

import json

from relay.journal import dump


def test_half_a_surrogate_pair_costs_its_own_escape() -> None:
    """It stays as it was told, and the rest of the line is not blown up to three times its size for it."""
    columns = {"body": {"name": "\ud800", "note": "Ж" * 1000}}
    line = dump(columns)
    assert json.loads(line) == columns
    assert len(line) < 2100
