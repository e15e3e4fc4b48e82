"""A local AWS: one `ministack` process on a free port of the loopback, with signatures and policies checked.

Functions run as its child processes under this Python, each with the permissions of its own role. So a run
also proves that the roles' policies suffice.
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

from local_stack.errors import LocalStackError
from local_stack.local_http import get

REGION: Final = "us-east-1"
_CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",  # the root user of ministack
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_MAX_STARTS: Final = 3
_START_TIMEOUT: Final = 60.0
_STOP_TIMEOUT: Final = 5.0
_MIN_FREE_MEMORY: Final = 4 * 1024**3
"""Bytes. About 20 functions unpack 30 MB each, some of them several times."""


def clean_environment() -> dict[str, str]:
    """Return this environment without AWS settings of its own, with the local AWS's root user."""
    # The layer ships byte code beside its source, and a prefix would hide it. Fifteen functions that compile
    # boto3 each take a minute.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name not in {"PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"}
    }
    return {**kept, **_CREDENTIALS, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


@dataclass(frozen=True, slots=True)
class LocalAws:
    """A running local AWS."""

    port: int
    log: Path

    @property
    def endpoint(self) -> str:
        """The base URL of all its services."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which AWS tools call it."""
        return {**clean_environment(), "AWS_ENDPOINT_URL": self.endpoint}

    def client(self, service: str) -> Any:
        """Return a boto3 client of one service, as the root user."""
        return _client(service, self.endpoint)

    def messages(self) -> dict[str, list[Mapping[str, Any]]]:
        """Return the messages of every queue by queue name: visible, delayed and in flight."""
        reply = get(f"{self.endpoint}/_ministack/sqs/messages")
        queues: dict[str, list[Mapping[str, Any]]] = {}
        for regions in reply.raise_for_status().json()["messages"].values():
            for by_url in regions.values():
                queues |= {url.rpartition("/")[2]: messages for url, messages in by_url.items()}
        return queues


@contextmanager
def local_aws(folder: Path) -> Iterator[LocalAws]:
    """Run a local AWS that keeps its files below `folder`, and end all its processes afterwards.

    Raises:
        LocalStackError: it does not start.

    """
    log = folder / "local-aws.log"
    for attempt in range(_MAX_STARTS):
        aws = LocalAws(_free_port(), log)
        with _ministack(aws, folder) as process:
            if _is_ready(aws, process):
                yield aws
                return
        # Another process may have taken the port since it was found free.
        if (
            process.returncode is None
            or "already in use" not in log.read_text()
            or attempt == _MAX_STARTS - 1
        ):
            break
    raise LocalStackError("the local AWS did not start", f"see its log: {log}")


@contextmanager
def _ministack(aws: LocalAws, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    temporary = Path(tempfile.mkdtemp(prefix="relay-", dir=_memory_folder()))
    environment = {
        **clean_environment(),
        "GATEWAY_PORT": str(aws.port),
        "BIND_HOST": "127.0.0.1",  # the default is every interface
        "AUTH": "true",  # check signatures and policies
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
            start_new_session=True,  # a process group, so that its workers end with it
        )
    try:
        yield process
    finally:
        _stop(process)
        shutil.rmtree(temporary, ignore_errors=True)


def _memory_folder() -> Path | None:
    """Return a folder in memory with enough free space, or None.

    Every function unpacks the 2,000 files of the layer. On a disk, or deep in a folder tree, unpacking and
    deleting them takes most of a run's time.
    """
    # `mkdtemp` makes a private folder in it.
    memory = Path("/dev/shm")  # noqa: S108 # nosec B108
    if not memory.is_dir() or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return None
    return memory if shutil.disk_usage(memory).free > _MIN_FREE_MEMORY else None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group: SIGTERM, then SIGKILL after 5 s."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _is_ready(aws: LocalAws, process: subprocess.Popen[bytes]) -> bool:
    import httpx

    until = time.monotonic() + _START_TIMEOUT
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
        aws_access_key_id=_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    return session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]  # one function for all services


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
