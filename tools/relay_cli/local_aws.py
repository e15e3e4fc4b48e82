"""An AWS on this machine: one process on a free port of the loopback, which checks signatures and policies.

It is `ministack`. Functions run as its child processes, under the Python that runs this, each with the
permissions of its own role: what works here is allowed there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from relay_cli.failing import CliError
from relay_cli.nearby import get

REGION: Final = "us-east-1"
_ACCESS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",  # what the local AWS takes for its root user
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_TRIES: Final = 3
_SECONDS_TO_START: Final = 60.0
_SECONDS_TO_STOP: Final = 5.0
_ROOM: Final = 4 * 1024**3
"""Twenty functions unpack 30 MB each, some of them several times over; this leaves a lot of room."""


def clean_environment() -> dict[str, str]:
    """Return this environment without anybody's AWS account, and with the local AWS's root user."""
    # The layer brings its byte code along, beside its source, where a prefix would hide it; and fifteen
    # functions that each compile boto3 anew take a minute.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name not in {"PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"}
    }
    return {**kept, **_ACCESS, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


@dataclass(frozen=True, slots=True)
class LocalAws:
    """A running local AWS."""

    port: int
    log: Path

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment for tools that shall talk to it."""
        return {**clean_environment(), "AWS_ENDPOINT_URL": self.endpoint}

    def client(self, service: str) -> Any:
        """Return a client of one of its services, as its root user."""
        return _client(service, self.endpoint)

    def messages(self) -> dict[str, list[Mapping[str, Any]]]:
        """Return what every queue holds, by queue name: waiting, delayed or in somebody's hands."""
        reply = get(f"{self.endpoint}/_ministack/sqs/messages")
        queues: dict[str, list[Mapping[str, Any]]] = {}
        for regions in reply.raise_for_status().json()["messages"].values():
            for held in regions.values():
                queues |= {url.rpartition("/")[2]: messages for url, messages in held.items()}
        return queues


@contextmanager
def local_aws(folder: Path) -> Iterator[LocalAws]:
    """Start a local AWS that keeps everything below `folder`; whatever happens, no process of it is left.

    Raises:
        CliError: when it does not start.

    """
    log = folder / "local-aws.log"
    for attempt in range(_TRIES):
        aws = LocalAws(_free_port(), log)
        with _process(aws, folder) as process:
            if _is_ready(aws, process):
                yield aws
                return
        # Somebody else may have taken the port between our look and its start.
        if process.returncode is None or "already in use" not in log.read_text() or attempt == _TRIES - 1:
            break
    raise CliError("the local AWS did not start", f"its log says why: {log}")


@contextmanager
def _process(aws: LocalAws, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    temporary = Path(tempfile.mkdtemp(prefix="relay-", dir=_memory()))
    environment = {
        **clean_environment(),
        "GATEWAY_PORT": str(aws.port),
        "BIND_HOST": "127.0.0.1",  # it would listen on every interface
        "AUTH": "true",  # signatures and policies are checked
        "IOT_MTLS_ENABLED": "0",  # another listener, on a fixed port
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(temporary),
        "MINISTACK_REGION": REGION,
    }
    with aws.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a group of its own: its workers end with it
        )
    try:
        yield process
    finally:
        _stop(process)
        shutil.rmtree(temporary, ignore_errors=True)


def _memory() -> Path | None:
    """Return a folder in memory with room enough, None where there is none.

    Every function unpacks the layer's 2,000 files for itself, each checked along its whole path: on a disk,
    or far down in a tree, that and clearing it away again is most of a run's time.
    """
    # The folder that is made there is this run's own, by mkdtemp.
    memory = Path("/dev/shm")  # noqa: S108 # nosec B108
    if not memory.is_dir() or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return None
    return memory if shutil.disk_usage(memory).free > _ROOM else None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: asked first, made to after five seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _is_ready(aws: LocalAws, process: subprocess.Popen[bytes]) -> bool:
    import httpx

    until = time.monotonic() + _SECONDS_TO_START
    while process.poll() is None and time.monotonic() < until:
        try:
            if get(f"{aws.endpoint}/_ministack/ready", timeout=5).is_success:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


@cache
def _client(service: str, endpoint: str) -> Any:
    import boto3

    session = boto3.session.Session(
        aws_access_key_id=_ACCESS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_ACCESS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    return session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]  # one function for all services


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
