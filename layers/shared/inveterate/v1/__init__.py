"""The legacy API v1, announced to end in May 2024: for programs that still depend on it.

    >>> from inveterate import v1
    >>> with v1.Client(api_key) as client:
    ...     client.customers.get(CustomerId("5574691979318"))

Every call warns that it is deprecated and names its successor in API v2.0. Errors, retries,
pagination and both kinds of client are those of `inveterate`. The host is the same; one page names another
for the list of customers, but its own examples do not use it.
"""

from __future__ import annotations

from typing import Unpack

import httpx

from inveterate._client import BaseAsyncClient, BaseClient
from inveterate._endpoint import Async, Sync
from inveterate._operation_table import OperationRow, endpoints
from inveterate._settings import BASE_URL, Settings
from inveterate.v1.records import Ledger, Redemption
from inveterate.v1.resources import RESOURCES, V1Resources

__all__ = ["AsyncClient", "Client", "Ledger", "Redemption", "operations"]


class Client(BaseClient, V1Resources[Sync]):
    """The synchronous client of API v1. Settings as in `inveterate.Client`."""

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        transport: httpx.BaseTransport | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(api_key, base_url, transport, settings)
        self._bind(self._transport)


class AsyncClient(BaseAsyncClient, V1Resources[Async]):
    """The asyncio client of API v1. Settings as in `inveterate.AsyncClient`."""

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        transport: httpx.AsyncBaseTransport | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(api_key, base_url, transport, settings)
        self._bind(self._transport)


def operations() -> list[OperationRow]:
    """Return the 13 documented endpoints of API v1."""
    return [
        OperationRow(name=each.name, method=each.method, path=each.template, retryable=each.retryable)
        for each in endpoints(RESOURCES)
    ]
