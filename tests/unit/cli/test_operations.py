"""`relay operations` prints the table, for people and for programs."""

from __future__ import annotations

import json

import pytest
from relay_cli.main import main


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A list of 31 objects with four keys."""
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
    """One line for each, in columns."""
    assert main(["operations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 31
    assert len({line.index("/v2.0/") for line in lines}) == 1


def test_help_and_nonsense(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` explains; an unknown option is refused."""
    with pytest.raises(SystemExit) as stopped:
        main(["operations", "--help"])
    assert stopped.value.code == 0
    assert "API v2.0" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["operations", "--yaml"])
    assert stopped.value.code == 2
    assert "unrecognized" in capsys.readouterr().err
