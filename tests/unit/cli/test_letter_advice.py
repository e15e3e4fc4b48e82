"""Every reason that the page names has its own advice in the command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from relay_cli.letter_advice import advice

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"


def reasons_of_the_page() -> list[str]:
    """Return the reasons in the table of the section on dead letters."""
    section = PAGE.read_text().partition("### `dead-letters`\n")[2].partition("\n### ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [reason for row in rows for reason in re.findall(r"`([a-z_]+)`", row.split("|")[1])]


def test_the_page_has_reasons() -> None:
    """Else the next test would say nothing."""
    assert {"too_old", "not_fanned_out", "not_json"} <= set(reasons_of_the_page())


@pytest.mark.parametrize("reason", [*reasons_of_the_page(), "slack_invalid_blocks", "email_refused"])
def test_a_reason_of_the_page_has_its_own_advice(reason: str) -> None:
    """The advice for a reason that is not known is for such alone."""
    assert advice(reason) != advice("of a later version")
