"""Requests to what runs on this machine: by no proxy, and without loading certificates for each, which takes longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relay.adapters.http import ssl_context

if TYPE_CHECKING:
    import httpx


def get(url: str, **how: Any) -> httpx.Response:
    """Read something; `how` is httpx's."""
    return _ask("GET", url, **how)


def post(url: str, **how: Any) -> httpx.Response:
    """Send something; `how` is httpx's."""
    return _ask("POST", url, **how)


def _ask(method: str, url: str, **how: Any) -> httpx.Response:
    import httpx

    return httpx.request(method, url, trust_env=False, verify=ssl_context(), **{"timeout": 10.0, **how})
