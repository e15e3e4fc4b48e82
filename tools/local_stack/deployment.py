"""Build template.yaml, the one that goes to AWS, and deploy it to the local AWS."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stack_template import names
from stack_template.expanded import loaded

from local_stack.build_cache import ROOT, cache_folder
from local_stack.errors import LocalStackError
from local_stack.function_code import take_functions
from local_stack.local_aws import LocalAws, clean_environment

RUNTIME: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Local functions run under this Python, as the local AWS does."""

ARCHITECTURE: Final = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"

_OUTPUT_CHARACTERS: Final = 3_000


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """The name and the outputs of the stack in the local AWS."""

    name: str
    outputs: Mapping[str, str]


def build(into: Path, template: Path | None = None) -> Path:
    """Build for this machine; return the path of the built template.

    Raises:
        LocalStackError: `sam build` fails; the text ends with its output.

    """
    caches = ROOT / ".cache" / "sam"
    caches.mkdir(parents=True, exist_ok=True)
    environment = {**clean_environment(), "RELAY_RUNTIME": RUNTIME, "RELAY_ARCH": ARCHITECTURE}
    # The caches belong to the checkout, so runs build one at a time. The result belongs to the run.
    with (caches / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cache = cache_folder(RUNTIME, ARCHITECTURE)
        folders = ["--cache-dir", str(cache), "--build-dir", str(into)]
        source = ["--template-file", str(template or ROOT / "template.yaml")]
        sam(["build", "--cached", *folders, *source], environment)
    take_functions(into, RUNTIME)
    built = into / "template.yaml"
    # JSON is YAML too, and says the short forms of CloudFormation's functions in their long ones.
    built.write_text(json.dumps(without_refused(loaded(built.read_text()))))
    return built


def without_refused(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template without what the local AWS refuses: alarms on an expression, saved queries, the bucket's policy.

    It evaluates no alarm and runs no query, so the rest behaves the same; the tests play the alarms themselves. It
    speaks plain HTTP, which the policy refuses: no function could read the journal.
    """

    def is_refused(resource: Mapping[str, Any]) -> bool:
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            return "Metrics" in resource["Properties"]
        return resource["Type"] in {"AWS::Logs::QueryDefinition", "AWS::S3::BucketPolicy"}

    kept = {name: each for name, each in template["Resources"].items() if not is_refused(each)}
    return {**template, "Resources": kept}


def deploy(aws: LocalAws, built: Path, name: str, parameters: Mapping[str, str]) -> DeployedStack:
    """Deploy a built template; return the stack.

    Raises:
        LocalStackError: a stack may not have this name, or `sam deploy` fails; the text ends with its output.

    """
    if why := names.fault(name):
        raise LocalStackError(why)
    bucket = f"{name}-artifacts"
    aws.client("s3").create_bucket(Bucket=bucket)
    # The local AWS finishes at once, so SAM polls every second instead of every five.
    environment = {**aws.environment, "SAM_CLI_POLL_DELAY": "1"}
    source = ["--template-file", str(built), "--stack-name", name, "--s3-bucket", bucket]
    flags = ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"]
    overrides = [f"{key}={value}" for key, value in parameters.items()]
    sam(["deploy", *source, *flags, "--parameter-overrides", *overrides], environment)
    [stack] = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return DeployedStack(name, {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]})


def sam(arguments: list[str], environment: Mapping[str, str]) -> None:
    """Run the SAM CLI of this Python environment, without samconfig.toml.

    Raises:
        LocalStackError: SAM is not installed, or it fails; the text ends with its output.

    """
    program = Path(sys.executable).parent / "sam"
    if not program.exists():
        raise LocalStackError("sam is not installed", "run `make setup` first")
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
        start_new_session=True,  # so that its installer ends with it
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        raise LocalStackError(f"sam {arguments[0]} failed:\n{output[-_OUTPUT_CHARACTERS:]}")
