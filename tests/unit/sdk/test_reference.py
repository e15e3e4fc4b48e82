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


def test_the_page_has_every_operation_with_its_source() -> None:
    """Name, request, and a link to where it is documented."""
    page = (ROOT / "docs" / "sdk.md").read_text()
    for row in operations():
        assert f"#### {row['name']}(" in page
        assert f"`{row['method']} {row['path']}`" in page
    assert page.count("[Source](https://help.inveterate.com/dev/") == len(operations())
