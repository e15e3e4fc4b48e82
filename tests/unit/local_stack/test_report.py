"""The report of `relay run`: a table for people, and one RESULT line for programs."""

from __future__ import annotations

import json

from local_stack.report import result_line, table
from local_stack.verdict import Verdict
from local_stack.verdict_samples import EventRow


def test_the_table_is_in_columns() -> None:
    """Each column is as wide as its widest cell."""
    heading, row = table([EventRow("a.long.topic", "accepted", "applied", "1", "-", "101")]).splitlines()
    assert heading.index("answer") == row.index("accepted")
    assert heading.index("HubSpot") == row.index("101")


def test_the_result_is_one_line_of_json() -> None:
    """The line is `RESULT` and a JSON object with the numbers and the seconds."""
    word, _, text = result_line(Verdict({"posted": 15}, ()), 12.345).partition(" ")
    assert word == "RESULT"
    assert json.loads(text) == {"posted": 15, "seconds": 12.3}
