"""Benchmark of the SDK against plain httpx, and of its import time: medians, as ratios within one run.

Both sides send the same request through the same kind of client and decode the same reply into the same
record (JSON with exact money, `Member`). Blocks of the two alternate, so that a busy machine slows both;
the ratio of each pair is taken, and the median of those. There are two settings: a
transport in memory, where the SDK's own work weighs most, and a server on the loopback interface, as in use.
Run by `make bench`; the last line is `RESULT {json}`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import uvicorn
from inveterate import AsyncClient, Client, CustomerId, Member

PAIRS, CALLS = 60, 25
KEY, CUSTOMER = "k-0123456789", CustomerId("22978031812972")
RECORD = {
    "accountState": "ENABLED",
    "anonymized": False,
    "contractId": 82559795564,
    "createdAt": "2025-05-25T00:27:56.503Z",
    "credit": 10.25,
    "creditsEarned": 10.25,
    "currencyCode": "USD",
    "customerId": CUSTOMER,
    "email": "member@example.com",
    "firstName": "Ann",
    "joinedAt": "2025-05-25T00:27:52Z",
    "lastName": "Example",
    "notes": None,
    "orderCount": 3,
    "orderIds": [1, 2, 3],
    "phoneNumber": "+12025550143",
    "revenue": 102.32,
    "status": "ACTIVE",
    "tierId": "c560bce7",
    "tierName": "PAID",
    "updatedAt": "2025-05-25T00:27:59.220Z",
}
BODY = json.dumps({"message": "ok", "data": RECORD}).encode()
PATH = f"/v2.0/admin/members/{CUSTOMER}"
HEADERS = {"X-Inveterate-Api-Key": KEY, "Accept": "application/json"}


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def decoded(response: httpx.Response) -> Member:
    """Decode a reply as a user of plain httpx has to."""
    response.raise_for_status()
    return Member.model_validate(json.loads(response.content, parse_float=Decimal)["data"])


def answer(_: httpx.Request) -> httpx.Response:
    """Reply in memory."""
    return httpx.Response(200, content=BODY, headers={"content-type": "application/json"})


async def app(_scope: Any, _receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    """Reply over a socket."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


@contextmanager
def serving() -> Iterator[str]:
    """Serve on a free port of the loopback interface."""
    # asyncio sets TCP_NODELAY only on a socket with this protocol; otherwise every reply waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def report(name: str, ours: list[float], bare: list[float]) -> float:
    """Print one comparison; return the median ratio."""
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    per_call = [statistics.median(times) / CALLS * 1e6 for times in (ours, bare)]
    say(f"{name:<16} SDK {per_call[0]:7.0f} µs   httpx {per_call[1]:7.0f} µs   ratio {ratio:.3f}")
    return round(ratio, 3)


def compare_sync(name: str, base_url: str, transport: httpx.BaseTransport | None) -> float:
    """Time alternating blocks of both."""
    with (
        Client(KEY, base_url=base_url, transport=transport) as client,
        httpx.Client(base_url=base_url, transport=transport, timeout=30.0) as http,
    ):

        def ours() -> None:
            for _ in range(CALLS):
                client.members.get(CUSTOMER)

        def bare() -> None:
            for _ in range(CALLS):
                decoded(http.get(PATH, headers=HEADERS))

        times: dict[Callable[[], None], list[float]] = {ours: [], bare: []}
        for number in range(PAIRS + 3):
            for block in (ours, bare) if number % 2 else (bare, ours):
                began = time.perf_counter()
                block()
                times[block].append(time.perf_counter() - began)
    return report(name, times[ours][3:], times[bare][3:])


async def compare_async(name: str, base_url: str, transport: httpx.AsyncBaseTransport | None) -> float:
    """Time alternating blocks of both."""
    async with (
        AsyncClient(KEY, base_url=base_url, transport=transport) as client,
        httpx.AsyncClient(base_url=base_url, transport=transport, timeout=30.0) as http,
    ):

        async def ours() -> None:
            for _ in range(CALLS):
                await client.members.get(CUSTOMER)

        async def bare() -> None:
            for _ in range(CALLS):
                decoded(await http.get(PATH, headers=HEADERS))

        times: dict[Callable[[], Awaitable[None]], list[float]] = {ours: [], bare: []}
        for number in range(PAIRS + 3):
            for block in (ours, bare) if number % 2 else (bare, ours):
                began = time.perf_counter()
                await block()
                times[block].append(time.perf_counter() - began)
    return report(name, times[ours][3:], times[bare][3:])


IMPORT = """
import sys, time
before = set(sys.modules)
began = time.perf_counter()
{}
took = time.perf_counter() - began
print(took * 1000, len(set(sys.modules) - before), "httpx" in sys.modules)
"""


def import_cost(statement: str) -> tuple[float, bool]:
    """Import in fresh interpreters; return the median in milliseconds, and whether httpx was imported."""
    taken, modules, httpx_too = [], "", False
    for _ in range(7):
        ran = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", IMPORT.format(statement)], capture_output=True, text=True, check=True
        )
        milliseconds, modules, with_httpx = ran.stdout.split()
        taken.append(float(milliseconds))
        httpx_too = httpx_too or with_httpx == "True"
    median = statistics.median(taken)
    say(f"{statement:<52} {median:7.1f} ms  {modules:>4} modules  httpx: {'yes' if httpx_too else 'no'}")
    return round(median, 1), httpx_too


def main() -> int:
    """Measure, print, and fail if the webhooks import an HTTP client."""
    gc.freeze()
    memory = "http://memory"
    result: dict[str, Any] = {
        "sync_memory": compare_sync("sync, memory", memory, httpx.MockTransport(answer)),
        "async_memory": asyncio.run(compare_async("async, memory", memory, httpx.MockTransport(answer))),
    }
    with serving() as address:
        result["sync_loopback"] = compare_sync("sync, loopback", address, None)
        result["async_loopback"] = asyncio.run(compare_async("async, loopback", address, None))
    result["goal"] = 1.25
    result["webhooks_import_ms"], first = import_cost("import inveterate.webhooks")
    result["webhooks_parse_import_ms"], second = import_cost(
        "from inveterate.webhooks import parse, PaymentFailed"
    )
    result["client_import_ms"], _ = import_cost("from inveterate import Client")
    result["httpx_import_ms"], _ = import_cost("import httpx")
    result["webhooks_import_httpx"] = first or second
    say(f"RESULT {json.dumps(result)}")
    return 1 if result["webhooks_import_httpx"] else 0


if __name__ == "__main__":
    sys.exit(main())
