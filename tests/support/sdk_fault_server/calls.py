"""Calls of both clients against the fault server, with short limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from inveterate import AsyncClient, Client, InveterateError, Retries

from tests.support.sdk_fault_server.faults import Fault
from tests.support.sdk_fault_server.platform import KEY, Platform
from tests.support.sdk_fault_server.server import FaultServer, Reply, fault_server

RETRIES: Final = Retries(max_attempts=2, base_delay=0.001, max_delay=0.002, max_retry_after=0.1)
HASTY: Final = replace(RETRIES, deadline=0.3)
"""For a server that hangs or drips."""
SETTINGS: Final[dict[str, Any]] = {"retries": RETRIES, "max_reply_bytes": 1_000_000}

Use = Callable[[Any], Any]
Call = Callable[..., Any]


@contextmanager
def serving() -> Iterator[FaultServer]:
    """Serve a platform of the default reading."""
    with fault_server(Platform()) as server:
        yield server


def reset(server: FaultServer, platform: Platform) -> Platform:
    """Put another platform behind the server, and forget the requests so far."""
    server.handler, server.before = platform, lambda _: None
    server.requests.clear()
    return platform


def call_sync(server: FaultServer, use: Use, **settings: Any) -> Any:
    """Return the value, the rows or the error of a use of the synchronous client."""
    with Client(KEY, base_url=server.address, **{**SETTINGS, **settings}) as client:
        try:
            result = use(client)
            return list(result) if hasattr(result, "by_page") else result
        except InveterateError as error:
            return error


def call_async(server: FaultServer, use: Use, **settings: Any) -> Any:
    """Return the value, the rows or the error of a use of the asyncio client."""

    async def main() -> Any:
        async with AsyncClient(KEY, base_url=server.address, **{**SETTINGS, **settings}) as client:
            try:
                result = use(client)
                return [row async for row in result] if hasattr(result, "by_page") else await result
            except InveterateError as error:
                return error

    return asyncio.run(main())


def limits(fault: Fault) -> dict[str, Any]:
    """Return the settings of a call that meets a fault: a short deadline where only the deadline ends it."""
    endless = fault.answer.wire in {"hang", "drip_head", "drip_body"}
    return {"retries": replace(RETRIES, deadline=0.15) if endless else RETRIES}


def early(answer: Reply) -> Callable[[Any], Reply | None]:
    """Return a fault for requests with a body, as soon as their head has arrived."""
    return lambda request: answer if request.headers.get("content-length", "0") != "0" else None
