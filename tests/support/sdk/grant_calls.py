"""Calls of `grant` on both clients, against the ledger server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from inveterate import (
    AsyncClient,
    Client,
    CustomerId,
    GrantResult,
    Intents,
    Retries,
)

from tests.support.sdk.ledger_server import Served

MEMBER = CustomerId(42)
LOOKS = (0.0, 0.02, 0.05)
LONG_TIMEOUT, SHORT_TIMEOUT = httpx.Timeout(30.0), httpx.Timeout(30.0, read=0.4)
RETRIES = Retries(max_attempts=2, base_delay=0.001, max_delay=0.002)


class ManualClock:
    """A clock in seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def pass_an_hour(self) -> None:
        """Move on by an hour, which makes every open claim old enough to count as lost."""
        self.now += 3600.0


def hourly() -> Callable[[], float]:
    """Return a clock that moves on by an hour each time it is read: every claim is old."""
    clock = ManualClock()

    def read() -> float:
        clock.pass_an_hour()
        return clock()

    return read


Granting = Callable[..., GrantResult]


def settings(served: Served, intents: Intents | None, hooks: tuple[Any, ...]) -> dict[str, Any]:
    """Return the settings of both clients."""
    timeout = SHORT_TIMEOUT if served.platform.then == "stall" else LONG_TIMEOUT
    common = {"base_url": served.address, "timeout": timeout, "retries": RETRIES, "hooks": hooks}
    return common if intents is None else {**common, "intents": intents}


def grant_sync(
    served: Served, intents: Intents | None = None, *, hooks: Any = (), **options: Any
) -> GrantResult:
    """Grant 5 credits with the synchronous client."""
    with Client("k", **settings(served, intents, hooks)) as client:
        return client.members.credits.grant(MEMBER, 5, **{"key": "order-1", "looks": LOOKS, **options})


def grant_async(
    served: Served, intents: Intents | None = None, *, hooks: Any = (), **options: Any
) -> GrantResult:
    """Grant 5 credits with the asyncio client."""

    async def main() -> GrantResult:
        async with AsyncClient("k", **settings(served, intents, hooks)) as client:
            return await client.members.credits.grant(
                MEMBER, 5, **{"key": "order-1", "looks": LOOKS, **options}
            )

    return asyncio.run(main())


both = pytest.mark.parametrize("grant", [grant_sync, grant_async], ids=["sync", "async"])
