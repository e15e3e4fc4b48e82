"""The table of AWS behaviours and stand-ins as a page: `python -m tests.contract.aws.page` writes it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.contract.aws.behaviours import BEHAVIOURS, LACKS

PAGE: Final = Path(__file__).parents[3] / "docs" / "aws-stand-ins.md"

_HEAD: Final = """# What stands in for AWS, and what each stand-in lacks

Relay's tests use three stand-ins for AWS: the fakes in `tests/support/aws` (in memory, in virtual time), moto (in
memory, behind botocore) and the local AWS (one process, behind HTTP, called by Relay's own client). One suite
plays the behaviours below against all three: `tests/contract/aws` and `tests/e2e/test_aws_behaviours.py`. A gap is
expected to fail: when a stand-in learns the behaviour, the test says so.

This page is written by `python -m tests.contract.aws.page`.

| behaviour | fakes | moto | local AWS |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    rows = []
    for name, function in BEHAVIOURS.items():
        service, _, what = name.partition("_")
        says = (function.__doc__ or "").strip()
        cells = [LACKS[stand_in].get(name, "yes") for stand_in in ("fake", "moto", "local")]
        rows.append(f"| {service.upper()} {what.replace('_', ' ')}: {says} | {' | '.join(cells)} |")
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
