"""Grants against a platform that loses, fails, dawdles and hides."""

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

from tests.unit.sdk.ledger_server import Served

MEMBER = CustomerId(42)
LOOKS = (0.0, 0.02, 0.05)
PATIENT, IMPATIENT = httpx.Timeout(30.0), httpx.Timeout(30.0, read=0.4)
RETRIES = Retries(attempts=2, first=0.001, longest=0.002)

Granting = Callable[..., GrantResult]


def settings(served: Served, intents: Intents | None, hooks: tuple[Any, ...]) -> dict[str, Any]:
    """Return what both clients are told."""
    timeout = IMPATIENT if served.platform.then == "dawdle" else PATIENT
    told = {"base_url": served.address, "timeout": timeout, "retries": RETRIES, "hooks": hooks}
    return told if intents is None else {**told, "intents": intents}


def grant_sync(
    served: Served, intents: Intents | None = None, *, hooks: Any = (), **terms: Any
) -> GrantResult:
    """Grant 5 credits with the client that waits."""
    with Client("k", **settings(served, intents, hooks)) as client:
        return client.members.credits.grant(MEMBER, 5, **{"key": "order-1", "looks": LOOKS, **terms})


def grant_async(
    served: Served, intents: Intents | None = None, *, hooks: Any = (), **terms: Any
) -> GrantResult:
    """Grant 5 credits with the client for asyncio."""

    async def main() -> GrantResult:
        async with AsyncClient("k", **settings(served, intents, hooks)) as client:
            return await client.members.credits.grant(
                MEMBER, 5, **{"key": "order-1", "looks": LOOKS, **terms}
            )

    return asyncio.run(main())


both = pytest.mark.parametrize("grant", [grant_sync, grant_async], ids=["sync", "async"])
