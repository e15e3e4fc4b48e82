"""The examples of docs/sdk.md run as they stand, against `relay sim serve`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
API_KEY, SECRET = "k-example-0123456789", "an-unguessable-secret"
RELAY = "import sys; from relay_cli.main import main; sys.exit(main(sys.argv[1:]))"
"""The `relay` command, of this very Python."""
EXPECTED = {
    "quick_start.py": ["ACTIVE"],
    "asyncio_client.py": ["20"],
    "errors.py": ["None", "@"],
    "lists.py": ["members", "complete"],
    "grants.py": ["True\nTrue"],
}


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], ready: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program until its address answers, and end it afterwards."""
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for _ in range(600):
                assert process.poll() is None, process.stdout.read() if process.stdout else ""
                if answers(ready):
                    break
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()


def answers(address: str) -> bool:
    """Return whether an address answers, with any status."""
    try:
        urllib.request.urlopen(address, timeout=1).close()  # noqa: S310 - of this machine
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def platform() -> Iterator[str]:
    """A simulator with some members, as the quick start starts it."""
    port = free_port()
    serve = ["sim", "serve", "--members", "5", "--port", str(port), "--api-key", API_KEY]
    address = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-c", RELAY, *serve], f"{address}/v2.0/admin/merchant"):
        yield address


def test_every_example_is_tested_and_in_the_reference() -> None:
    """An example that is not run, or not shown, is a leftover."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*EXPECTED, "receiver.py"}
    page = (ROOT / "docs" / "sdk.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert path.read_text().strip() in page


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_runs(platform: str, name: str, tmp_path: Path) -> None:
    """It ends well, and prints what it says it prints."""
    environment = {
        "INVETERATE_API_KEY": API_KEY,
        "INVETERATE_URL": platform,
        "BOOKMARK": str(tmp_path / "members.cursor"),
    }
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    for text in EXPECTED[name]:
        assert text in ran.stdout


def test_the_curl_line_of_the_quick_start_works(platform: str) -> None:
    """The key is in the documented header."""
    request = urllib.request.Request(  # noqa: S310 - of this machine
        f"{platform}/v2.0/admin/merchant", headers={"X-Inveterate-Api-Key": API_KEY}
    )
    with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310 - of this machine
        assert json.loads(reply.read())["data"]


def test_the_receiver_accepts_an_event_and_refuses_noise() -> None:
    """It needs no HTTP client; a wrong path is not found, and noise is a 400."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    sample = (ROOT / "events" / "customer.payment_failed.json").read_bytes()
    with running(
        [sys.executable, str(EXAMPLES / "receiver.py")], address, PORT=str(port), WEBHOOK_SECRET=SECRET
    ) as receiver:
        statuses = [
            status_of(f"{address}/webhooks/{path}", body)
            for path, body in ((SECRET, sample), (SECRET, b"noise"), ("wrong", sample))
        ]
        assert receiver.stdout is not None
        assert statuses == [202, 400, 404]
        receiver.terminate()
        assert json.loads(sample)["payload"]["customerId"] in receiver.stdout.read()


def status_of(address: str, body: bytes) -> int:
    """Return the status of a POST."""
    request = urllib.request.Request(address, data=body, method="POST")  # noqa: S310 - of this machine
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310 - of this machine
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
