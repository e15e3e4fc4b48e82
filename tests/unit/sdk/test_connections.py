"""Connections: reused, one pool per event loop, closed clients, and interruptions before and after sending."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from inveterate import (
    AmbiguousWriteError,
    AsyncClient,
    ClaimState,
    Client,
    ClientClosedError,
    ConnectionFailedError,
    CustomerId,
    Intent,
    InveterateError,
    MemoryIntents,
)
from inveterate._client import LIMITS, MAX_CONNECTIONS

from tests.support.sdk_fault_server.calls import SETTINGS, reset, serving
from tests.support.sdk_fault_server.platform import KEY, MEMBER, Platform
from tests.support.sdk_fault_server.server import FaultServer, Reply

CUSTOMER = CustomerId(MEMBER)
INTENT = Intent("k", CUSTOMER, Decimal(5))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A platform behind real sockets."""
    with serving() as running:
        yield running


def test_as_many_connections_are_kept_as_may_be_open() -> None:
    """Otherwise a busy client closes a connection after nearly every request."""
    assert LIMITS.max_connections == LIMITS.max_keepalive_connections == MAX_CONNECTIONS


def test_threads_reuse_connections(server: FaultServer) -> None:
    """Forty threads with 240 calls open no more connections than the pool has, and each call has its answer.

    On a busy machine a connection can break under a call, and a read is sent again: that costs one connection more.
    """
    read: list[str] = []
    with Client(KEY, base_url=server.address, **SETTINGS) as client:
        threads = [
            threading.Thread(
                target=lambda: read.extend(str(client.members.get(CUSTOMER).customer_id) for _ in range(6))
            )
            for _ in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert read == [MEMBER] * 240
    again = len(server.requests) - 240
    assert 0 <= again <= 5
    assert server.connections <= MAX_CONNECTIONS + again


def test_tasks_reuse_connections(server: FaultServer) -> None:
    """Forty tasks with 240 calls, likewise."""

    async def main() -> None:
        async with AsyncClient(KEY, base_url=server.address, **SETTINGS) as client:

            async def calls() -> None:
                for _ in range(6):
                    await client.members.get(CUSTOMER)

            await asyncio.gather(*(calls() for _ in range(40)))

    asyncio.run(main())
    assert len(server.requests) == 240
    assert server.connections <= MAX_CONNECTIONS


def test_one_client_serves_several_event_loops(server: FaultServer) -> None:
    """One after the other, and two at once in threads; each closes its own connections."""
    client = AsyncClient(KEY, base_url=server.address, **SETTINGS)

    async def read() -> str:
        return str((await client.members.get(CUSTOMER)).customer_id)

    assert [asyncio.run(read()) for _ in range(3)] == [MEMBER] * 3
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(asyncio.run(read()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [MEMBER] * 2
    loops = [asyncio.new_event_loop(), asyncio.new_event_loop()]
    for loop in (*loops, *loops):  # both are open, and each has an idle connection
        assert loop.run_until_complete(read()) == MEMBER
    for loop in loops:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    async def close() -> None:
        await read()
        await client.aclose()

    asyncio.run(close())


def test_a_closed_client_is_a_typed_error_and_claims_nothing(server: FaultServer) -> None:
    """Nothing is sent, and the key of a grant stays free."""
    intents = MemoryIntents()
    client = Client(KEY, base_url=server.address, intents=intents, **SETTINGS)
    client.close()
    for use in (lambda: client.members.get(CUSTOMER), lambda: list(client.members.list())):
        with pytest.raises(ClientClosedError):
            use()
    with pytest.raises(ClientClosedError):
        client.members.credits.grant(CUSTOMER, 5, key="k")

    async def main() -> None:
        other = AsyncClient(KEY, base_url=server.address, intents=intents, **SETTINGS)
        await other.aclose()
        with pytest.raises(ClientClosedError):
            await other.members.credits.grant(CUSTOMER, 5, key="k")

    asyncio.run(main())
    assert intents.claim(INTENT).state is ClaimState.NEW
    assert server.requests == []


class SlowIntents(MemoryIntents):
    """A store whose claim takes a while in its thread."""

    def claim(self, intent: Intent) -> Any:
        time.sleep(0.1)
        return super().claim(intent)


def cancelled_grant(server: FaultServer, intents: MemoryIntents, **settings: Any) -> None:
    """Start a grant, and cancel it after 50 ms."""

    async def main() -> None:
        options = {**SETTINGS, **settings}
        async with AsyncClient(KEY, base_url=server.address, intents=intents, **options) as client:
            if "requests_per_second" in settings:
                await client.merchant.get()
            task = asyncio.create_task(client.members.credits.grant(CUSTOMER, 5, key="k", looks=()))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_a_task_cancelled_during_the_claim_leaves_no_claim(server: FaultServer) -> None:
    """The thread of the store finishes, and the claim is released: nothing was sent."""
    intents = SlowIntents()
    cancelled_grant(server, intents)
    assert intents.claim(INTENT).state is ClaimState.NEW
    assert server.requests == []


def test_a_task_cancelled_before_sending_leaves_no_claim(server: FaultServer) -> None:
    """It waits for the rate limit, behind another request."""
    intents = MemoryIntents()
    cancelled_grant(server, intents, requests_per_second=0.5)
    assert intents.claim(INTENT).state is ClaimState.NEW
    assert [request.method for request in server.requests] == ["GET"]


def test_a_task_cancelled_after_sending_keeps_its_claim(server: FaultServer) -> None:
    """The platform may have granted it."""
    platform = reset(server, Platform())
    platform.fault = lambda platform, request: (platform.answer(request), Reply(wire="hang"))[1]
    intents = MemoryIntents()
    cancelled_grant(server, intents)
    assert intents.claim(INTENT).state is ClaimState.OPEN
    assert platform.credits_of() == 5


def test_an_interrupted_thread_leaves_no_claim(server: FaultServer) -> None:
    """`KeyboardInterrupt` while the grant waits for the rate limit: nothing was sent."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    intents = MemoryIntents()
    with Client(KEY, base_url=server.address, intents=intents, requests_per_second=0.5, **SETTINGS) as client:
        client.merchant.get()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "sleep", interrupt)
            with pytest.raises(KeyboardInterrupt):
                client.members.credits.grant(CUSTOMER, 5, key="k")
    assert intents.claim(INTENT).state is ClaimState.NEW


def broken(when: str) -> Callable[[Any], None]:
    """Return a patch that raises an unexpected exception before or after the request leaves."""

    def patch(monkeypatch: Any) -> None:
        import httpcore

        def fail(*_: Any, **__: Any) -> Any:
            raise RuntimeError("unexpected")

        if when == "before":
            monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", fail)
        else:
            monkeypatch.setattr(httpx.Response, "iter_raw", fail)

    return patch


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_unexpected_exception_is_ambiguous_only_after_sending(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Whatever raised it: an unsent write is a failed connection, and a grant frees its key."""
    intents = MemoryIntents()
    with Client(KEY, base_url=server.address, intents=intents, **SETTINGS) as client:
        broken(when)(monkeypatch)
        with pytest.raises(InveterateError) as caught:
            client.members.credits.add(CUSTOMER, 5)
        assert type(caught.value) is (ConnectionFailedError if when == "before" else AmbiguousWriteError)
        if when == "before":
            with pytest.raises(ConnectionFailedError):
                client.members.credits.grant(CUSTOMER, 5, key="k", looks=())
        else:
            assert client.members.credits.grant(CUSTOMER, 5, key="k", looks=()).status == "unknown"
    assert intents.claim(INTENT).state is (ClaimState.NEW if when == "before" else ClaimState.OPEN)


def test_a_connection_that_the_server_closed_is_replaced(server: FaultServer) -> None:
    """An idle connection that was closed meanwhile does not fail the next write."""
    platform = reset(server, Platform())
    with Client(KEY, base_url=server.address, **SETTINGS) as client:
        client.members.get(CUSTOMER)
        platform.fault = lambda platform, request: Reply(
            200, platform.answer(request).body, {"Connection": "close"}, wire="whole_close"
        )
        client.members.get(CUSTOMER)
        platform.fault = lambda _platform, _request: None
        time.sleep(0.1)
        client.members.credits.add(CUSTOMER, 5)
    assert platform.credits_of() == 5


def test_the_settings_of_a_request_are_not_shared(server: FaultServer) -> None:
    """Two clients of one process have their own pools."""
    with Client(KEY, base_url=server.address, **SETTINGS) as one:
        one.members.get(CUSTOMER)
    with Client(KEY, base_url=server.address, **SETTINGS) as other:
        other.members.get(CUSTOMER)
    assert server.connections == 2
