"""`relay version` names the versions that a report of a fault needs."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version

import pytest
from relay_cli.main import main


def test_versions(capsys: pytest.CaptureFixture[str]) -> None:
    """Relay's, Python's and boto3's, as text and as JSON."""
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"relay {version('relay')}\n")
    assert main(["version", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["python"], found["boto3"]) == (platform.python_version(), version("boto3"))
