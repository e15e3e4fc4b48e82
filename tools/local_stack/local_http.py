"""HTTP requests to servers on this machine, past any proxy.

Certificates are loaded once for all requests: loading them takes longer than a local request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relay.adapters.http import ssl_context

if TYPE_CHECKING:
    import httpx


def get(url: str, **options: Any) -> httpx.Response:
    """Return the answer to a GET; `options` are httpx's."""
    return _request("GET", url, **options)


def post(url: str, **options: Any) -> httpx.Response:
    """Return the answer to a POST; `options` are httpx's."""
    return _request("POST", url, **options)


def _request(method: str, url: str, **options: Any) -> httpx.Response:
    import httpx

    return httpx.request(method, url, trust_env=False, verify=ssl_context(), **{"timeout": 10.0, **options})
