"""Benchmark of the SDK against plain httpx, and of its import time: medians, as ratios within one run.

Both sides send the same request through the same kind of client and decode the same reply into the same
record (JSON with exact money, `Member`). Blocks of the two alternate, so that a busy machine slows both;
the ratio of each pair is taken, and the median of those. There are two settings: a
transport in memory, where the SDK's own work weighs most, and a server on the loopback interface, as in use.
Then 200 threads make 3,600 calls and 200 tasks 2,400, against a server that resets a connection now and then:
the client must open no more connections than its pool has, plus one for each reset, and no call may fail.
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
from typing import Any, ClassVar

import httpx
import uvicorn
from inveterate import AsyncClient, Client, CustomerId, InveterateError, Member
from inveterate._client import MAX_CONNECTIONS
from uvicorn.protocols.http.h11_impl import H11Protocol

PAIRS, CALLS = 60, 25
THREADS, CALLS_PER_THREAD = 200, 18
TASKS, CALLS_PER_TASK = 200, 12
RESET_EVERY = 300
"""The server resets the connection of every 300th request."""
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


class CountingProtocol(H11Protocol):
    """HTTP that counts connections, and resets the connection of every 300th request on demand."""

    opened = resets = requests = 0
    resetting = False
    transports: ClassVar[dict[Any, asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn says Transport too
        """Count the connection."""
        CountingProtocol.opened += 1
        CountingProtocol.transports[transport.get_extra_info("peername")] = transport
        super().connection_made(transport)

    @classmethod
    def restart(cls, *, resetting: bool) -> None:
        """Count from zero."""
        cls.opened = cls.resets = cls.requests = 0
        cls.resetting = resetting

    @classmethod
    def reset(cls, peer: Any) -> bool:
        """Reset the connection of a peer if it is time to; return whether it was."""
        cls.requests += 1
        if not cls.resetting or cls.requests % RESET_EVERY:
            return False
        cls.resets += 1
        cls.transports[tuple(peer)].abort()
        return True


async def app(_scope: Any, _receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    """Reply over a socket."""
    if CountingProtocol.reset(_scope["client"]):
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


@contextmanager
def serving() -> Iterator[str]:
    """Serve on a free port of the loopback interface."""
    # asyncio sets TCP_NODELAY only on a socket with this protocol; otherwise every reply waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=CountingProtocol,
            lifespan="off",
            ws="none",
            log_level="critical",
            timeout_keep_alive=120,  # like a gateway: the server closes no connection during a run
        )
    )
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


def calls_from_threads(base_url: str) -> list[str]:
    """Make 3,600 calls from 200 threads; return the failures."""
    failures: list[str] = []
    with Client(KEY, base_url=base_url) as client:

        def calls() -> None:
            for _ in range(CALLS_PER_THREAD):
                try:
                    client.members.get(CUSTOMER)
                except InveterateError as error:
                    failures.append(repr(error))

        threads = [threading.Thread(target=calls) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return failures


async def calls_from_tasks(base_url: str) -> list[str]:
    """Make 2,400 calls from 200 tasks; return the failures."""
    failures: list[str] = []
    async with AsyncClient(KEY, base_url=base_url) as client:

        async def calls() -> None:
            for _ in range(CALLS_PER_TASK):
                try:
                    await client.members.get(CUSTOMER)
                except InveterateError as error:
                    failures.append(repr(error))

        await asyncio.gather(*(calls() for _ in range(TASKS)))
    return failures


def connection_count(name: str, calls: Callable[[], list[str]], *, resetting: bool) -> dict[str, Any]:
    """Print and return how many connections the callers opened, and whether that is within the bound."""
    CountingProtocol.restart(resetting=resetting)
    began = time.perf_counter()
    failures = calls()
    took = time.perf_counter() - began
    counts = {
        "requests": CountingProtocol.requests,
        "opened": CountingProtocol.opened,
        "resets": CountingProtocol.resets,
        "failures": len(failures),
        "seconds": round(took, 1),
        "within": CountingProtocol.opened <= MAX_CONNECTIONS + CountingProtocol.resets and not failures,
    }
    say(
        f"{name:<24} {counts['requests']} requests   {counts['opened']} connections"
        f"   pool {MAX_CONNECTIONS} + {counts['resets']} resets   {counts['failures']} failures   {took:.1f} s"
    )
    return counts


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
    """Measure and print; fail if the webhooks import an HTTP client, or if the callers open too many connections."""
    gc.freeze()
    memory = "https://memory.example"
    result: dict[str, Any] = {
        "sync_memory": compare_sync("sync, memory", memory, httpx.MockTransport(answer)),
        "async_memory": asyncio.run(compare_async("async, memory", memory, httpx.MockTransport(answer))),
    }
    with serving() as address:
        result["sync_loopback"] = compare_sync("sync, loopback", address, None)
        result["async_loopback"] = asyncio.run(compare_async("async, loopback", address, None))
        for resetting in (False, True):
            kind = "resets" if resetting else "steady"
            result[f"threads_{kind}"] = connection_count(
                f"200 threads, {kind}", lambda: calls_from_threads(address), resetting=resetting
            )
            result[f"tasks_{kind}"] = connection_count(
                f"200 tasks, {kind}", lambda: asyncio.run(calls_from_tasks(address)), resetting=resetting
            )
    result["goal"] = 1.25
    result["webhooks_import_ms"], first = import_cost("import inveterate.webhooks")
    result["webhooks_parse_import_ms"], second = import_cost(
        "from inveterate.webhooks import parse, PaymentFailed"
    )
    result["client_import_ms"], _ = import_cost("from inveterate import Client")
    result["httpx_import_ms"], _ = import_cost("import httpx")
    result["webhooks_import_httpx"] = first or second
    say(f"RESULT {json.dumps(result)}")
    counts = [value for value in result.values() if isinstance(value, dict)]
    return 1 if result["webhooks_import_httpx"] or not all(count["within"] for count in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
