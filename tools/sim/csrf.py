"""Protection against cross-site requests: only the pages of the simulator and programs may change it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class CsrfGuard:
    """Refuse a state-changing request of a browser page with another origin.

    A browser sends the origin of the page with every POST. Programs send none and are allowed; the API of the platform
    requires its key as well.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or refuse it with 403."""
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS and _is_cross_origin(scope):
            await JSONResponse({"error": "not allowed for pages of another origin"}, 403)(
                scope, receive, send
            )
            return
        await self._app(scope, receive, send)


def _is_cross_origin(scope: Scope) -> bool:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is None:
        return False
    # "null" is the origin of a sandboxed frame or a local file; it has no host, so it is another origin.
    return urlsplit(origin).netloc != headers.get(b"host", b"")
