"""`make audit` says that nothing is known only where the database answered for every package."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from scripts.audit import LOCKS, Audit, read_report, report_text, run
from tests.support.port_fakes import ROOT


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


GOOD = {"name": "httpx", "version": "0.28.1", "vulns": []}
BAD = {
    "name": "idna",
    "version": "3.6",
    "vulns": [{"id": "PYSEC-2024-60", "fix_versions": ["3.7"], "aliases": []}],
}
SKIPPED = {"name": "idna", "skip_reason": "could not be asked"}


@pytest.mark.parametrize(
    ("audit", "code", "text"),
    [
        (read_report("a.txt", 0, report(GOOD), ""), 0, "1 packages, no known vulnerability"),
        (read_report("a.txt", 1, report(GOOD, BAD), ""), 1, "idna 3.6: PYSEC-2024-60 (mended in: 3.7)"),
        (read_report("a.txt", 0, report(GOOD, SKIPPED), ""), 2, "no answer for 1 of 2 packages (idna)"),
        (read_report("a.txt", 1, report(BAD, SKIPPED), ""), 1, "NOT AUDITED"),
        (
            read_report("a.txt", 1, "", "Traceback\nConnectionError: no route\n"),
            2,
            "ConnectionError: no route",
        ),
        (read_report("a.txt", 1, "<html>", ""), 2, "ended with 1 and no report"),
        (read_report("a.txt", 0, report(), ""), 2, "no packages"),
        (read_report("a.txt", 0, "[]", ""), 2, "NOT AUDITED"),
    ],
)
def test_a_report(audit: Audit, code: int, text: str) -> None:
    """1 for a vulnerability, 2 where the database did not answer for all, 0 for nothing else."""
    printed, found = report_text([audit])
    assert found == code
    assert text in printed


def test_a_vulnerability_weighs_more_than_a_missing_answer() -> None:
    """Both are printed; the exit code is that of the vulnerability."""
    printed, code = report_text([Audit("a.txt", not_asked="no route"), Audit("b.txt", 2, ("idna 3.6: X",))])
    assert code == 1
    assert "NOT AUDITED" in printed
    assert "VULNERABLE" in printed


def test_an_audit_without_end() -> None:
    """A database that does not answer in time gave no verdict."""

    def start(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired("pip-audit", 1)

    assert run("pip-audit", "a.txt", start).not_asked


def test_the_locks_are_there() -> None:
    """What is audited exists, and what ships is among it."""
    assert all((ROOT / lock).is_file() for lock in LOCKS)
    assert "layers/shared/requirements.txt" in LOCKS
