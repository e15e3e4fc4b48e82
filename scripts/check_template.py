"""Runs cfn-lint on the template as CloudFormation sees it, after the SAM transform, in three regions of two partitions."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from stack_template.expanded import expanded, source

REGIONS: Final = ("us-east-1", "eu-west-1", "us-gov-west-1")

NOT_OF_AWS: Final = (
    "'sendmessagebatch'",
    "'deletemessagebatch'",
    "'changemessagevisibilitybatch'",
    "'publishbatch'",
)
"""Actions that the local AWS checks by name, and AWS covers by the single ones (template.yaml, "…Batch")."""


def main() -> int:
    """Print each finding; 0 when there is none."""
    faults: list[str] = []
    # SAM's output hardly ever depends on the region: what is the same is linted once, for all that share it.
    regions: dict[str, list[str]] = {}
    for region in REGIONS:
        regions.setdefault(json.dumps(expanded(source(), region), indent=1), []).append(region)
    with tempfile.TemporaryDirectory() as folder:
        for template, sharing in regions.items():
            path = Path(folder) / f"{sharing[0]}.json"
            path.write_text(template)
            faults += findings(path, sharing)
    print("\n".join(faults))
    return 1 if faults else 0


def findings(path: Path, regions: list[str]) -> list[str]:
    """Return what cfn-lint says of a template in these regions, warnings too."""
    program = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run(  # noqa: S603 - our own tool, with arguments of our own
        [program, "--format", "json", "--regions", *regions, "--", path],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stderr:
        return [done.stderr]
    matches: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return [
        f"{match['Rule']['Id']} {'.'.join(map(str, match['Location'].get('Path') or ()))}: {match['Message']}"
        for match in matches
        if not (match["Rule"]["Id"] == "W3037" and match["Message"].startswith(NOT_OF_AWS))
    ]


if __name__ == "__main__":
    sys.exit(main())
