"""Who may steer the simulator: its own pages and programs, and no page of somebody else that happens to be open."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class OwnPagesOnly:
    """Refuse what changes something when a browser sends it for a page of another origin.

    A browser names the page's origin with every POST. Programs name none, and are let through; the API under
    /v1 and /v2.0 has its key.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse with 403."""
        if scope["type"] == "http" and scope["method"] not in _READING and _is_foreign(scope):
            await JSONResponse({"error": "not for pages of another origin"}, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_foreign(scope: Scope) -> bool:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is None:
        return False
    # "null", which a sandboxed frame or a local file sends, has no host and is foreign.
    return urlsplit(origin).netloc != headers.get(b"host", b"")
