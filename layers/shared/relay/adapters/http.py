"""One HTTP client for all channels, whom every client trusts, and what a broken conversation means."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from relay.errors import MisconfiguredError, NoReplyError, TransientError

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx


@cache
def ssl_context() -> SSLContext:
    """Return whom we trust: loading the certificates takes longer than a request, so it is done once."""
    import httpx

    return httpx.create_ssl_context()


@cache
def http_client() -> httpx.Client:
    """Return the one client of this environment: connect 2 s, read 8 s, no redirects.

    Connections are not kept: one that the server closes while the environment is frozen looks just like
    an answer that got lost, and costs a message marked as a repeat.
    """
    import httpx

    for chatty in ("httpx", "httpcore"):  # they log each request with its URL, which may be the secret
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return httpx.Client(
        timeout=httpx.Timeout(8.0, connect=2.0),
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
        verify=ssl_context(),
        headers={"User-Agent": "relay"},
    )


@contextmanager
def http_errors(name: str, setting: str) -> Iterator[None]:
    """Translate what breaks on the way; `setting` names the URL's.

    Raises:
        TransientError: nothing went out.
        UnansweredError: it may have arrived.
        MisconfiguredError: that is no URL.

    """
    import httpx

    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise TransientError(f"{name}: {type(error).__name__}") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        # Their texts quote the URL, which may be the secret.
        raise MisconfiguredError(f"{name}: not a URL", setting=setting) from None
    except httpx.TransportError as error:
        raise NoReplyError(f"{name}: {type(error).__name__}") from error


def retry_after(reply: httpx.Response) -> float | None:
    """Read a Retry-After in seconds; one that makes no sense says nothing."""
    header = reply.headers.get("Retry-After")
    return float(header) if header and header.isascii() and header.isdigit() else None
