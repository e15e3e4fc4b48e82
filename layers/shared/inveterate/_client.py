"""The synchronous and the asyncio client of API v2.0, with every operation."""

from __future__ import annotations

from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Final, Generic, Self, Unpack

import httpx

from inveterate._endpoint import Async, KindT, Sync, Transport
from inveterate._settings import BASE_URL, Settings, client_config
from inveterate._transport import AsyncTransport, SyncTransport
from inveterate.api.benefits import Benefits
from inveterate.api.members import Members
from inveterate.api.merchant import MerchantAccount
from inveterate.api.storefront import Storefront
from inveterate.api.tiers import Tiers
from inveterate.api.webhook_subscriptions import WebhookSubscriptions

MAX_CONNECTIONS: Final = 20
# As many are kept alive as may be open: otherwise a busy client closes and opens connections all the time.
# They expire well before the minute after which common gateways close them: a write on a connection that the
# server is closing is ambiguous.
LIMITS: Final = httpx.Limits(
    max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS, keepalive_expiry=30.0
)


@cache
def ssl_context() -> SSLContext:
    """Return the TLS context. It is made once: loading the certificates takes longer than a request."""
    return httpx.create_ssl_context()


def client_repr(client: BaseClient | BaseAsyncClient) -> str:
    """Return the class and the address; a client whose constructor failed has no address."""
    transport = getattr(client, "_transport", None)
    return f"<{type(client).__name__} {transport.config.address if transport else '(not made)'}>"


class BaseClient:
    """Base of the synchronous clients: pooled connections, closing, the context manager."""

    def __init__(
        self, api_key: str, base_url: str, transport: httpx.BaseTransport | None, settings: Settings
    ) -> None:
        config = client_config(api_key, base_url, settings, traces=transport is None)
        self._http = httpx.Client(
            transport=transport, verify=ssl_context(), timeout=config.timeout, limits=LIMITS
        )
        self._transport = SyncTransport(config, self._http)

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return client_repr(self)


class BaseAsyncClient:
    """Base of the asyncio clients: pooled connections, closing, the context manager."""

    def __init__(
        self, api_key: str, base_url: str, transport: httpx.AsyncBaseTransport | None, settings: Settings
    ) -> None:
        config = client_config(api_key, base_url, settings, traces=transport is None)

        def connect() -> httpx.AsyncClient:
            return httpx.AsyncClient(
                transport=transport, verify=ssl_context(), timeout=config.timeout, limits=LIMITS
            )

        self._transport = AsyncTransport(config, connect, None if transport is None else connect())

    async def aclose(self) -> None:
        """Close the pooled connections, of every event loop that used the client."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return client_repr(self)


class Resources(Generic[KindT]):
    """The resources of API v2.0: the same attributes on both clients."""

    def _bind(self, transport: Transport) -> None:
        self.merchant: MerchantAccount[KindT] = MerchantAccount(transport)
        self.members: Members[KindT] = Members(transport)
        self.benefits: Benefits[KindT] = Benefits(transport)
        self.tiers: Tiers[KindT] = Tiers(transport)
        self.webhook_subscriptions: WebhookSubscriptions[KindT] = WebhookSubscriptions(transport)
        self.storefront: Storefront[KindT] = Storefront(transport)


class Client(BaseClient, Resources[Sync]):
    """The synchronous client of API v2.0: `client.members.get(CustomerId("42"))`.

    `api_key` is the merchant's private key: it gives access to every member of the shop. `transport`
    replaces the network in tests. For the rest see `Settings`. Threads can share a client, and should:
    connections are pooled. Close it, or use it in a `with` statement.

    Raises:
        WrongSettingError: for a setting that cannot be right.

    """

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


class AsyncClient(BaseAsyncClient, Resources[Async]):
    """The asyncio client of API v2.0: `await client.members.get(CustomerId("42"))`; settings as in `Client`.

    The methods of `intents` run in threads, so that a database behind them does not block the event loop.
    One client may be used by several event loops; each has its own connections.
    """

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
