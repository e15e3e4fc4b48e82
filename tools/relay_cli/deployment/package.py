"""Builds what a deployment ships and uploads it: code, layer and template, into the bucket of SAM's deployments."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay_cli.aws_access import AwsAccess
from relay_cli.errors import CliError

ROOT: Final = Path(__file__).resolve().parents[3]
"""The checkout: a deployment needs the sources, which a package does not have."""

_OUTPUT_CHARACTERS: Final = 3_000
_LINES: Final = 12
_BUCKET: Final = re.compile(r"s3://([a-z0-9.-]{3,63})/")


@dataclass(frozen=True, slots=True)
class Package:
    """An uploaded deployment: the template's address, and its text."""

    url: str
    text: str


def require_checkout(what: str = "a deployment") -> Path:
    """Return the checkout, which `what` needs.

    Raises:
        CliError: the command was installed without it.

    """
    if not (ROOT / "template.yaml").is_file():
        raise CliError(
            f"{what} needs Relay's sources, which an installed package does not have",
            "run .venv/bin/relay in a checkout of Relay, after `make setup`",
        )
    return ROOT


def build(runtime: str, architecture: str) -> Path:
    """Build for a runtime and a processor; return the path of the built template.

    Raises:
        CliError: the build fails; the text ends with its output.

    """
    root = require_checkout()
    environment = {**os.environ, "RUNTIME": runtime, "ARCH": architecture}
    said = _run([str(root / "scripts" / "build")], environment, "the build fails")
    # Its warnings: a build without byte code works, and every cold start takes longer.
    print(
        *dict.fromkeys(line for line in said.splitlines() if "!!" in line), sep="\n", end="", file=sys.stderr
    )
    return root / ".aws-sam" / "build" / "template.yaml"


def upload(built: Path, access: AwsAccess, stack: str, bucket: str | None = None) -> Package:
    """Upload the code and the template; without a bucket, into the one that SAM makes for an account and region.

    Raises:
        CliError: SAM fails; the text ends with its output.

    """
    built = built.resolve()  # SAM runs in the checkout, whatever folder the command is run in
    packaged = built.with_name("packaged.yaml")
    where = ["--s3-bucket", bucket] if bucket else ["--resolve-s3"]
    environment = {**os.environ, **access.environment, "SAM_CLI_TELEMETRY": "0"}
    _run(
        [_sam(), "package", "--template-file", str(built), "--output-template-file", str(packaged), *where],
        environment,
        "the upload fails",
    )
    text = packaged.read_text(encoding="utf-8")
    found = _BUCKET.search(text)
    if found is None:
        raise CliError("the packaged template names no bucket", "run `make build` and try again")
    return put_template(text, access, found[1], stack)


def put_template(text: str, access: AwsAccess, bucket: str, stack: str) -> Package:
    """Upload a template: CloudFormation takes one of this size from a bucket only."""
    key = f"{stack}/{hashlib.sha256(text.encode()).hexdigest()[:32]}.template"
    s3 = access.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    base = access.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    if base:
        return Package(f"{base.rstrip('/')}/{bucket}/{key}", text)
    region = s3.meta.region_name
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return Package(f"https://{bucket}.s3.{region}.{suffix}/{key}", text)


def bucket_in(template: str) -> str | None:
    """Return the bucket that a packaged template takes its code from."""
    found = _BUCKET.search(template)
    return found[1] if found else None


def _sam() -> str:
    program = Path(sys.executable).parent / "sam"
    if not program.exists():
        raise CliError("sam is not installed", "run `make setup`, or install aws-sam-cli beside relay")
    return str(program)


def _run(command: list[str], environment: Mapping[str, str], what: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        lines = (done.stdout + done.stderr)[-_OUTPUT_CHARACTERS:].splitlines()[-_LINES:]
        raise CliError("\n  ".join([f"{what}:", *lines]))
    return done.stdout + done.stderr
