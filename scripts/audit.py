"""Runs pip-audit over every lock, and tells "none is known" from "the database could not be asked" (make audit)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCKS: Final = ("layers/shared/requirements.txt", "requirements/dev.txt")
"""What ships, and what builds and tests it. The locks of single tools hold nothing that runs with the product's data."""

NONE_KNOWN: Final = 0
SOME_KNOWN: Final = 1
NOT_ASKED: Final = 2
_SECONDS: Final = 600
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Audit:
    """The result for one lock: its vulnerabilities, or why there is no result."""

    lock: str
    packages: int = 0
    found: tuple[str, ...] = ()
    not_asked: str = ""


def read_report(lock: str, returned: int, output: str, errors: str) -> Audit:
    """Return the result of one run of pip-audit.

    pip-audit returns 1 for a vulnerability as well as for a failure: only a report with packages is a verdict.
    """
    try:
        report: Any = json.loads(output)
        packages = report["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "")
        return Audit(lock, not_asked=last or f"pip-audit ended with {returned} and no report")
    if not packages:
        return Audit(lock, not_asked="the report has no packages")
    skipped = [one for one in packages if "skip_reason" in one]
    named = ", ".join(str(one["name"]) for one in skipped[:_NAMED]) + (" …" if len(skipped) > _NAMED else "")
    reason = f"no answer for {len(skipped)} of {len(packages)} packages ({named})" if skipped else ""
    return Audit(lock, len(packages), tuple(_vulnerabilities(packages)), reason)


def _vulnerabilities(packages: Sequence[dict[str, Any]]) -> Iterator[str]:
    for package in packages:
        for one in package.get("vulns", ()):
            fixed = ", ".join(one.get("fix_versions", ())) or "none yet"
            yield f"{package['name']} {package['version']}: {one['id']} (mended in: {fixed})"


def report_text(audits: Sequence[Audit]) -> tuple[str, int]:
    """Return what is printed, and the exit code: a known vulnerability weighs more than a missing answer."""
    lines: list[str] = []
    for audit in audits:
        if audit.not_asked:
            lines.append(f"NOT AUDITED  {audit.lock}: the database could not be asked: {audit.not_asked}")
        if audit.found:
            lines.append(f"VULNERABLE   {audit.lock}: {len(audit.found)} in {audit.packages} packages")
            lines += [f"             {one}" for one in audit.found]
        if not audit.found and not audit.not_asked:
            lines.append(f"ok           {audit.lock}: {audit.packages} packages, no known vulnerability")
    if any(audit.found for audit in audits):
        return "\n".join(lines), SOME_KNOWN
    if any(audit.not_asked for audit in audits):
        return "\n".join(lines), NOT_ASKED
    return "\n".join(lines), NONE_KNOWN


def run(
    program: str, lock: str, start: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run
) -> Audit:
    """Audit one lock. `--disable-pip` asks for the very versions in it, and resolves nothing."""
    command = [
        program,
        *("--requirement", lock, "--disable-pip", "--require-hashes"),
        *("--format", "json", "--progress-spinner", "off"),
    ]
    try:
        done = start(command, cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Audit(lock, not_asked=f"no answer in {_SECONDS} s")
    return read_report(lock, done.returncode, done.stdout, done.stderr)


def main(program: str) -> int:
    """Audit every lock; return the exit code."""
    text, code = report_text([run(program, lock) for lock in LOCKS])
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
