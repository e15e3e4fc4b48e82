"""The two clients: every operation of API v2.0, for programs that wait and for programs that do not."""

from __future__ import annotations

from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Final, Generic, Self, TypedDict, Unpack
from urllib.parse import urlsplit

import httpx

from inveterate._intents import Intents, MemoryIntents
from inveterate._operation import Async, KindT, Sync, Talk
from inveterate._pace import Pace
from inveterate._retries import Retries
from inveterate._transport import AsyncTalk, Hook, SyncTalk, Terms
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
    """What else a client can be told; all of it has a default.

    `timeout` in seconds applies to each step of a request (connect 5, read 30, write 10 by default);
    `requests_per_second` limits all threads and tasks of the client together (no limit by default);
    `retries` says how patiently reads are repeated; `intents` remembers grants of credits; each of
    `hooks` is called with an `Exchange` after every request.
    """

    timeout: float | httpx.Timeout
    requests_per_second: float | None
    retries: Retries
    intents: Intents
    hooks: tuple[Hook, ...]


def terms_of(api_key: str, base_url: str, settings: Settings) -> Terms:
    """Check what a client is told.

    Raises:
        ValueError: for a key or an address that cannot be one. The text does not repeat the key.

    """
    # A key with a line break in it would be quoted in full by the HTTP library's own error.
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("api_key is empty, or holds what no header can")
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("base_url is no http(s) address")
    if parts.query or parts.fragment or parts.username or parts.port == 0:
        raise ValueError("base_url has more than a host and a path")
    timeout, intents = settings.get("timeout", TIMEOUT), settings.get("intents")
    return Terms(
        address=base_url.rstrip("/").removesuffix(_VERSION_PATH),
        key=api_key,
        timeout=timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(timeout),
        retries=settings.get("retries", Retries()),
        # Not by truth: a store that is empty may well be false, and must not be replaced by one that forgets.
        intents=MemoryIntents() if intents is None else intents,
        pace=Pace(settings.get("requests_per_second")),
        hooks=tuple(settings.get("hooks", ())),
    )


@cache
def trust() -> SSLContext:
    """Return whom we trust: loading the certificates takes longer than a request, so it is done once."""
    return httpx.create_ssl_context()


class SyncClient:
    """What every client that waits has: pooled connections, and an end."""

    def __init__(
        self, api_key: str, base_url: str, transport: httpx.BaseTransport | None, settings: Settings
    ) -> None:
        terms = terms_of(api_key, base_url, settings)
        self._http = httpx.Client(transport=transport, verify=trust(), timeout=terms.timeout, limits=LIMITS)
        self._talk = SyncTalk(terms, self._http)

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
        return f"<{type(self).__name__} {self._talk.terms.address}>"


class AsyncioClient:
    """What every client for asyncio has: pooled connections, and an end."""

    def __init__(
        self, api_key: str, base_url: str, transport: httpx.AsyncBaseTransport | None, settings: Settings
    ) -> None:
        terms = terms_of(api_key, base_url, settings)
        self._http = httpx.AsyncClient(
            transport=transport, verify=trust(), timeout=terms.timeout, limits=LIMITS
        )
        self._talk = AsyncTalk(terms, self._http)

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
        return f"<{type(self).__name__} {self._talk.terms.address}>"


class Nouns(Generic[KindT]):
    """What the API has: the same attributes on both clients."""

    def _name(self, talk: Talk) -> None:
        self.merchant: MerchantAccount[KindT] = MerchantAccount(talk)
        self.members: Members[KindT] = Members(talk)
        self.benefits: Benefits[KindT] = Benefits(talk)
        self.tiers: Tiers[KindT] = Tiers(talk)
        self.webhook_subscriptions: WebhookSubscriptions[KindT] = WebhookSubscriptions(talk)
        self.storefront: Storefront[KindT] = Storefront(talk)


class Client(SyncClient, Nouns[Sync]):
    """The platform's API v2.0, for programs that wait: `client.members.get(CustomerId("42"))`.

    `api_key` is the merchant's private key: it opens every member of the shop. `transport` replaces the
    network in tests. For the rest see `Settings`. Threads may share a client, and should: connections
    are pooled. Close it, or use it in a `with` statement.

    Raises:
        ValueError: for settings that cannot be right.

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
        self._name(self._talk)


class AsyncClient(AsyncioClient, Nouns[Async]):
    """The same for asyncio: `await client.members.get(CustomerId("42"))`; settings as in `Client`.

    The methods of `intents` run in threads, so that one that talks to a database does not hold up the loop.
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
        self._name(self._talk)
