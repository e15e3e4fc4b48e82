"""The reference page agrees with the docstrings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inveterate import operations

ROOT = Path(__file__).parents[3]


def test_the_page_is_current() -> None:
    """A change of a docstring requires scripts/reference."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_fields_of_webhooks_are_current() -> None:
    """The tables of docs/webhooks.md are those of the code; a changed field requires scripts/reference."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "webhook_fields.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_every_field_of_an_event_has_a_kind() -> None:
    """But the topic, the token and the record before a change, which nothing is decided by."""
    page = (ROOT / "docs" / "webhooks.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.endswith(" |") and line.count(" | ") == 2]
    free = {path.strip("`") for _, path, kind in rows if kind == "not cleaned |"}
    assert free == {"metadata.topic", "metadata.token", "payload.oldData"}
    assert ["| `customer.payment_failed`", "`payload.detail.amount`", "money |"] in rows


def test_the_page_has_every_operation_with_its_source() -> None:
    """Name, request, and a link to where it is documented."""
    page = (ROOT / "docs" / "sdk.md").read_text()
    for row in operations():
        assert f"#### {row['name']}(" in page
        assert f"`{row['method']} {row['path']}`" in page
    assert page.count("[Source](https://help.inveterate.com/dev/") == len(operations())
