"""`relay operations` lists the API's operations, as a table and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from relay_cli.main import main


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints a list of 31 objects with four keys."""
    assert main(["operations", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 31
    assert rows[0] == {
        "name": "merchant.get",
        "method": "GET",
        "path": "/v2.0/admin/merchant",
        "retryable": True,
    }
    assert all(set(row) == {"name", "method", "path", "retryable"} for row in rows)
    assert all(row["retryable"] is (row["method"] == "GET") for row in rows)


def test_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--json` each operation is one line, in columns below their headings."""
    assert main(["operations"]) == 0
    _, _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 31
    assert len({line.index("/v2.0/") for line in lines}) == 1


def test_help_and_an_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` exits with 0, an unknown option with 2."""
    with pytest.raises(SystemExit) as stopped:
        main(["operations", "--help"])
    assert stopped.value.code == 0
    assert "API v2.0" in capsys.readouterr().out
    assert main(["operations", "--yaml"]) == 2
    assert "unrecognized" in capsys.readouterr().err


def test_a_closed_pipe() -> None:
    """`relay operations | head -1` ends without an error message."""
    command = f"{Path(sys.executable).with_name('relay')} operations | head -1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
