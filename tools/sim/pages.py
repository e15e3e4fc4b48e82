"""The web pages: a console that shows the whole product, and a shop that sells memberships."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sim.storefront import Storefront

if TYPE_CHECKING:
    from sim.simulator import Simulator

FOLDER: Final = Path(__file__).with_name("pages")
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Members have names like <script>: only the files of this folder run, and nothing is loaded from elsewhere.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Pipeline = Callable[[], Awaitable[dict[str, Any]] | dict[str, Any]]
"""Returns how the pipeline processed the events; the console calls it, and it may be slow.

{"events": {id: {"outcome": "applied", "alerts": ["…"], "crm": "contact 101"}},
 "mismatches": [{"member": "7733540512345", "field": "tier_name", "truth": "Gold", "mirror": "Silver"}],
 "compared": true, "members": ["7733540512345"]}
`id` is the id in the answer of the receiver, or the id of the event. `compared` is false while events are still
being processed, and `members` are those whose contact was compared: of any other the console does not claim that
nothing differs.
"""


def routes(sim: Simulator, pipeline: Pipeline | None = None) -> list[Route]:
    """Return the routes of the pages. Without a pipeline the console shows that none is attached."""

    async def status(_: Request) -> Response:
        return await _pipeline_status(pipeline)

    async def redirect(_: Request) -> Response:
        return RedirectResponse("/console")

    return [
        Route("/", redirect),
        Route("/console", _page("console.html")),
        Route("/shop", _page("shop.html")),
        Route("/pages/{name}", _file),
        Route("/_sim/pipeline", status),
        *Storefront(sim).routes(),
    ]


async def _pipeline_status(pipeline: Pipeline | None) -> Response:
    empty: dict[str, Any] = {"attached": pipeline is not None, "events": {}, "mismatches": [], "members": []}
    if pipeline is None:
        return JSONResponse(empty)
    try:
        found = pipeline() if inspect.iscoroutinefunction(pipeline) else await run_in_threadpool(pipeline)
        report = await found if inspect.isawaitable(found) else found
    except Exception as error:  # noqa: BLE001 - the console shows any error and continues
        return JSONResponse(empty | {"error": type(error).__name__}, 503)
    return JSONResponse(empty | report)


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return _content(FOLDER / name)

    return page


async def _file(request: Request) -> Response:
    wanted = request.path_params["name"]
    # Compared with the names in the folder, so that no path leads out of it.
    found = next((path for path in FOLDER.iterdir() if path.name == wanted), None)
    if found is None or found.suffix not in _TYPES:
        raise HTTPException(404)
    return _content(found)


def _content(path: Path) -> Response:
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=_HEADERS)
