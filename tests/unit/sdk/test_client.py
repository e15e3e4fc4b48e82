"""Settings, hooks, rate limit, threads and timeouts of the clients."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime

import httpx
import pytest
from inveterate import (
    NO_RETRIES,
    AsyncClient,
    Client,
    CustomerId,
    NotFoundError,
    RequestLog,
    ServerError,
)
from inveterate._rate_limit import RateLimiter

from tests.support.sdk.scripted_platform import KEY, QUICK, Script, ok

MEMBER = CustomerId(42)


@pytest.mark.parametrize(
    "base_url",
    ["https://api.example", "https://api.example/", "https://api.example/v2.0", "https://api.example/v2.0/"],
)
def test_the_version_is_in_the_path_once(base_url: str) -> None:
    """The documented base ends in /v2.0, and the paths begin with it."""
    script = Script(ok({"merchantId": "m"}), merchant=None)
    with script.client(base_url=base_url) as client:
        client.merchant.get()
    assert str(script.requests[0].url) == "https://api.example/v2.0/admin/merchant"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.example",
        "ftp://api.example",
        "https://",
        "https://u:p@api.example",
        "https://api.example?x=1",
        "https://api.example#x",
        "https://api.example:99999",
    ],
)
def test_an_impossible_address_is_refused(base_url: str) -> None:
    """The constructor refuses it, not the first call."""
    with pytest.raises(ValueError):
        Client(KEY, base_url=base_url)


def test_there_are_timeouts_by_default() -> None:
    """All of them are finite, and all can be set."""
    script = Script(ok({"merchantId": "m"}), merchant=None)
    with script.client() as client:
        client.merchant.get()
    with script.client(timeout=3) as client:
        client.merchant.get()
    first, second = (request.extensions["timeout"] for request in script.requests)
    assert first == {"connect": 5.0, "read": 30.0, "write": 10.0, "pool": 10.0}
    assert set(second.values()) == {3}


def test_hooks_get_each_attempt_and_cannot_break_a_call() -> None:
    """A log has the path's template instead of ids; a hook that raises changes nothing."""
    logs: list[RequestLog] = []

    def broken(_: RequestLog) -> None:
        raise RuntimeError

    script = Script(
        httpx.ReadError("cut"), httpx.Response(503, headers={"x-request-id": "r"}), ok({"customerId": 42})
    )
    with script.client(hooks=(broken, logs.append), retries=QUICK) as client:
        client.members.get(MEMBER)
    assert [(each.attempt, each.status, each.failure, each.request_id) for each in logs] == [
        (1, None, "ReadError", None),
        (2, 503, "", "r"),
        (3, 200, "", None),
    ]
    assert {(each.method, each.operation) for each in logs} == {("GET", "/v2.0/admin/members/{}")}


@pytest.mark.parametrize(
    ("header", "date"),
    [
        ({"Date": "Sun, 01 Mar 2026 12:00:05 GMT"}, datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)),
        ({"Date": "yesterday"}, None),
        ({}, None),
    ],
)
def test_hooks_get_the_time_of_the_reply(header: dict[str, str], date: datetime | None) -> None:
    """A record has no time of its own, so the reply's `Date` is its time; an unreadable one is None."""
    logs: list[RequestLog] = []
    reply = httpx.Response(200, json={"data": {"customerId": 42}}, headers=header)
    with Script(reply).client(hooks=(logs.append,)) as client:
        client.members.get(MEMBER)
    assert [each.date for each in logs] == [date]


def test_the_rate_limit_is_shared_by_all_threads() -> None:
    """A burst of one second's worth, then even spacing: virtual time, real threads."""
    limiter = RateLimiter(10, clock=lambda: 100.0)
    waits: list[float] = []
    threads = [
        threading.Thread(target=lambda: waits.extend(limiter.reserve() for _ in range(10))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [pytest.approx(max(0.0, (number - 9) * 0.1)) for number in range(50)]


@pytest.mark.parametrize("per_second", [0, -1, float("nan")])
def test_an_impossible_rate_limit_is_refused(per_second: float) -> None:
    """A rate of 0, a negative one and NaN are refused."""
    with pytest.raises(ValueError):
        Client(KEY, requests_per_second=per_second)


def test_both_clients_keep_the_rate_limit() -> None:
    """Three requests at 20 a second, the burst used up, take two gaps."""
    script = Script(lambda _: ok({"customerId": 42}))

    def use_up_burst(client: Client | AsyncClient) -> None:
        client._transport.config.rate_limiter._burst = 0.0

    with script.client(requests_per_second=20) as client:
        use_up_burst(client)
        began = time.monotonic()
        for _ in range(3):
            client.members.get(MEMBER)
        assert time.monotonic() - began >= 0.099

    async def main() -> float:
        async with script.async_client(requests_per_second=20) as client:
            use_up_burst(client)
            begun = time.monotonic()
            await asyncio.gather(*(client.members.get(MEMBER) for _ in range(3)))
            return time.monotonic() - begun

    assert asyncio.run(main()) >= 0.099


def test_the_deadline_shortens_the_timeouts_of_later_attempts() -> None:
    """An attempt that begins late gets only the time that is left."""
    script = Script(httpx.Response(503), ok({"customerId": 42}))
    retries = QUICK.__class__(base_delay=0.0, deadline=50.0)
    with script.client(retries=retries, timeout=100) as client:
        client.members.get(MEMBER)
    limits = script.requests[1].extensions["timeout"]
    assert all(limit <= 50.0 for limit in limits.values())


def test_threads_share_a_client() -> None:
    """Eight threads and one pool: every caller gets its own reply."""

    def answer(request: httpx.Request) -> httpx.Response:
        return ok({"customerId": request.url.path.rpartition("/")[2]})

    wrong: list[int] = []
    with Script(answer).client() as client:

        def read(start: int) -> None:
            wrong.extend(
                number
                for number in range(start, start + 50)
                if client.members.get(CustomerId(number)).customer_id != str(number)
            )

        threads = [threading.Thread(target=read, args=(start,)) for start in range(1, 801, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_cancelled_task_raises_and_the_client_closes() -> None:
    """Cancelling a call does not block the client."""

    async def main() -> None:
        async def slow(_: httpx.Request) -> httpx.Response:
            await asyncio.sleep(5)
            return ok({"customerId": 42})

        async with AsyncClient(KEY, transport=httpx.MockTransport(slow), retries=NO_RETRIES) as client:
            task = asyncio.create_task(client.members.get(MEMBER))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_an_error_does_not_end_a_client() -> None:
    """The next call works."""
    script = Script(httpx.Response(404), httpx.Response(500), ok({"customerId": 42}))
    with script.client() as client:
        with pytest.raises(NotFoundError):
            client.members.get(MEMBER)
        with pytest.raises(ServerError):
            client.members.get(MEMBER)
        assert client.members.get(MEMBER).customer_id == "42"
