"""The synchronous and the asyncio client of API v2.0, with every operation."""

from __future__ import annotations

from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Final, Generic, Self, TypedDict, Unpack
from urllib.parse import urlsplit

import httpx

from inveterate._endpoint import Async, KindT, Sync, Transport
from inveterate._idempotency import Intents, MemoryIntents
from inveterate._rate_limit import RateLimiter
from inveterate._retries import Retries
from inveterate._transport import AsyncTransport, ClientConfig, Hook, SyncTransport
from inveterate.api.benefits import Benefits
from inveterate.api.members import Members
from inveterate.api.merchant import MerchantAccount
from inveterate.api.storefront import Storefront
from inveterate.api.tiers import Tiers
from inveterate.api.webhook_subscriptions import WebhookSubscriptions

BASE_URL: Final = "https://public.inveterateapi.com"
"""The host alone: the documented base ends in /v2.0, and so do the paths begin."""

TIMEOUT: Final = httpx.Timeout(connect=5.0, read=30.0, write=10.0, pool=10.0)
LIMITS: Final = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=15.0)

_VERSION_PATH: Final = "/v2.0"


class Settings(TypedDict, total=False):
    """Optional settings of a client; all have a default.

    `timeout` in seconds applies to each step of a request (default: connect 5, read 30, write 10, pool 10).
    `requests_per_second` limits all threads and tasks of the client together (default: no limit).
    `retries` is the retry policy of reads. `intents` is the store of grants of credits (default: one in
    memory, per client). Each of `hooks` is called with a `RequestLog` after every request.
    """

    timeout: float | httpx.Timeout
    requests_per_second: float | None
    retries: Retries
    intents: Intents
    hooks: tuple[Hook, ...]


def client_config(api_key: str, base_url: str, settings: Settings) -> ClientConfig:
    """Return the checked settings of a client.

    Raises:
        ValueError: for an impossible key or address. The text does not repeat the key.

    """
    # The HTTP library quotes a key with a line break in full in its own error.
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("api_key is empty, or has characters that a header cannot hold")
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("base_url is not an http(s) address")
    if parts.query or parts.fragment or parts.username or parts.port == 0:
        raise ValueError("base_url has more than a host and a path")
    timeout, intents = settings.get("timeout", TIMEOUT), settings.get("intents")
    return ClientConfig(
        address=base_url.rstrip("/").removesuffix(_VERSION_PATH),
        key=api_key,
        timeout=timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(timeout),
        retries=settings.get("retries", Retries()),
        # Not by truth: an empty store may be false, and must not be replaced by one in memory.
        intents=MemoryIntents() if intents is None else intents,
        rate_limiter=RateLimiter(settings.get("requests_per_second")),
        hooks=tuple(settings.get("hooks", ())),
    )


@cache
def ssl_context() -> SSLContext:
    """Return the TLS context. It is made once: loading the certificates takes longer than a request."""
    return httpx.create_ssl_context()


class BaseClient:
    """Base of the synchronous clients: pooled connections, closing, the context manager."""

    def __init__(
        self, api_key: str, base_url: str, transport: httpx.BaseTransport | None, settings: Settings
    ) -> None:
        config = client_config(api_key, base_url, settings)
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
        return f"<{type(self).__name__} {self._transport.config.address}>"


class BaseAsyncClient:
    """Base of the asyncio clients: pooled connections, closing, the context manager."""

    def __init__(
        self, api_key: str, base_url: str, transport: httpx.AsyncBaseTransport | None, settings: Settings
    ) -> None:
        config = client_config(api_key, base_url, settings)
        self._http = httpx.AsyncClient(
            transport=transport, verify=ssl_context(), timeout=config.timeout, limits=LIMITS
        )
        self._transport = AsyncTransport(config, self._http)

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._transport.config.address}>"


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
        ValueError: for a setting that cannot be right.

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
