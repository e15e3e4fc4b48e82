"""Build the very template that goes to AWS, and deploy it to the local one."""

from __future__ import annotations

import fcntl
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay_cli.failing import CliError
from relay_cli.local_aws import LocalAws, clean_environment

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout: the command is installed from it, never from a package."""

RUNTIME: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Functions run under the Python that runs the local AWS, which is this one."""

ARCHITECTURE: Final = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"

_TAIL: Final = 3_000


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: its name and its outputs."""

    name: str
    outputs: Mapping[str, str]


def build(into: Path, template: Path | None = None) -> Path:
    """Build for this machine and return the built template.

    Raises:
        CliError: with the end of what `sam build` said.

    """
    cache = ROOT / ".cache" / "sam" / f"{RUNTIME}-{ARCHITECTURE}"
    cache.mkdir(parents=True, exist_ok=True)
    environment = {**clean_environment(), "RELAY_RUNTIME": RUNTIME, "RELAY_ARCH": ARCHITECTURE}
    # The cache is the checkout's; two runs in it take turns. What is built is the run's own.
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        where = ["--cache-dir", str(cache), "--build-dir", str(into)]
        source = ["--template-file", str(template or ROOT / "template.yaml")]
        sam(["build", "--cached", *where, *source], environment)
    return into / "template.yaml"


def deploy(aws: LocalAws, built: Path, name: str, parameters: Mapping[str, str]) -> Stack:
    """Deploy what was built and return the stack.

    Raises:
        CliError: with the end of what `sam deploy` said.

    """
    bucket = f"{name}-artifacts"
    aws.client("s3").create_bucket(Bucket=bucket)
    # The local AWS is done at once: SAM need not wait five seconds between two looks.
    environment = {**aws.environment, "SAM_CLI_POLL_DELAY": "1"}
    what = ["--template-file", str(built), "--stack-name", name, "--s3-bucket", bucket]
    how = ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"]
    overrides = [f"{key}={value}" for key, value in parameters.items()]
    sam(["deploy", *what, *how, "--parameter-overrides", *overrides], environment)
    [stack] = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return Stack(name, {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]})


def sam(arguments: list[str], environment: Mapping[str, str]) -> None:
    """Call SAM as installed beside this Python, ignoring anybody's samconfig.toml.

    Raises:
        CliError: with the end of what it said.

    """
    program = Path(sys.executable).parent / "sam"
    if not program.exists():
        raise CliError("sam is not installed", "run `make setup` first")
    settings = ROOT / ".cache" / "sam" / "no-settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("version = 0.1\n")
    process = subprocess.Popen(
        [program, arguments[0], "--config-file", str(settings), *arguments[1:]],
        cwd=ROOT,
        env={**environment, "SAM_CLI_TELEMETRY": "0", "PWD": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that the installer it starts can be ended with it
    )
    try:
        said, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        raise CliError(f"sam {arguments[0]} failed:\n{said[-_TAIL:]}")
