"""Tables line up, JSON keeps amounts and times, and progress in a pipe is a line now and then."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from relay_cli.output import as_json, progress, table


def test_a_table_lines_up() -> None:
    """Each column is as wide as its widest cell; nothing trails."""
    assert table(("topic", "count"), [("customer.cancelled", 12), ("x", None)]).splitlines() == [
        "topic               count",
        "------------------  -----",
        "customer.cancelled  12",
        "x",
    ]
    assert table(("topic",), [], empty="no topics") == "no topics"


def test_json_keeps_amounts_and_times() -> None:
    """Amounts are numbers, times ISO 8601, and letters stay letters."""
    value = {
        "amount": Decimal("9.50"),
        "whole": Decimal(10),
        "at": datetime(2026, 3, 1, tzinfo=UTC),
        "on": date(2026, 3, 1),
        "name": "Zoë",
    }
    assert json.loads(as_json(value)) == {
        "amount": 9.5,
        "whole": 10,
        "at": "2026-03-01T00:00:00+00:00",
        "on": "2026-03-01",
        "name": "Zoë",
    }
    assert "Zoë" in as_json(value)
    with pytest.raises(TypeError):
        as_json(object())


def test_progress_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """The first and the last state are lines; those right after one another are not."""
    with progress("import") as step:
        for done in range(1, 101):
            step(done, 100, "10 a second")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["import: 1 of 100 (10 a second)", "import: 100 of 100 (10 a second)"]


def test_a_table_without_headings_begins_with_its_rows() -> None:
    """Neither an empty line nor a rule of hyphens stands above them."""
    assert table(("", ""), [("target", "hubspot"), ("members", 21)]) == "target   hubspot\nmembers  21"
