"""The legacy API v1, announced to end in May 2024: for programs that still have to speak it.

    >>> from inveterate import v1
    >>> with v1.Client(api_key) as client:
    ...     client.customers.get(CustomerId("5574691979318"))

Every call warns that it is deprecated and names its successor in API v2.0. The machinery is the same:
errors, retries, paging, both kinds of client. The host is the common one; another, which one page names
for the list of customers, is used by none of that page's own examples.
"""

from __future__ import annotations

from typing import Unpack

import httpx

from inveterate._client import BASE_URL, AsyncioClient, Settings, SyncClient
from inveterate._operation import Async, Sync
from inveterate._operations import OperationRow, endpoints
from inveterate.v1.nouns import RESOURCES, Nouns
from inveterate.v1.records import Campaign, Ledger, Redemption

__all__ = ["AsyncClient", "Campaign", "Client", "Ledger", "Redemption", "operations"]


class Client(SyncClient, Nouns[Sync]):
    """API v1, for programs that wait. Settings as in `inveterate.Client`."""

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        transport: httpx.BaseTransport | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(api_key, base_url, transport, settings)
        self._name(self._talk)


class AsyncClient(AsyncioClient, Nouns[Async]):
    """API v1, for asyncio. Settings as in `inveterate.Client`."""

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        transport: httpx.AsyncBaseTransport | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(api_key, base_url, transport, settings)
        self._name(self._talk)


def operations() -> list[OperationRow]:
    """Return the 13 documented endpoints of API v1."""
    return [
        OperationRow(name=each.name, method=each.method, path=each.template, retryable=each.retryable)
        for each in endpoints(RESOURCES)
    ]
