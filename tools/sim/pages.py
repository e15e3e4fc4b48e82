"""The pages: a console that shows the whole product at work, and a shop in which one can join."""

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
# Members have names like <script>: nothing runs here but our own files, and nothing comes from elsewhere.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Pipeline = Callable[[], Awaitable[dict[str, Any]] | dict[str, Any]]
"""What the pipeline made of the events, asked for when a console wants to know; it may take its time.

{"events": {id: {"outcome": "applied", "alerts": ["…"], "crm": "contact 101"}},
 "mismatches": [{"member": "7733540512345", "field": "tier_name", "truth": "Gold", "mirror": "Silver"}],
 "compared": true}
where `id` is what the receiver answered with, or the event's own id. With `compared` false nothing was compared,
for something was still under way: the console then does not claim that nothing differs.
"""


def routes(sim: Simulator, pipeline: Pipeline | None = None) -> list[Route]:
    """Return the routes of the pages. Without a pipeline the console says that none is attached."""

    async def told(_: Request) -> Response:
        return await _told(pipeline)

    async def begin(_: Request) -> Response:
        return RedirectResponse("/console")

    return [
        Route("/", begin),
        Route("/console", _page("console.html")),
        Route("/shop", _page("shop.html")),
        Route("/pages/{name}", _file),
        Route("/_sim/pipeline", told),
        *Storefront(sim).routes(),
    ]


async def _told(pipeline: Pipeline | None) -> Response:
    nothing: dict[str, Any] = {"attached": pipeline is not None, "events": {}, "mismatches": []}
    if pipeline is None:
        return JSONResponse(nothing)
    try:
        found = pipeline() if inspect.iscoroutinefunction(pipeline) else await run_in_threadpool(pipeline)
        seen = await found if inspect.isawaitable(found) else found
    except Exception as error:  # noqa: BLE001 - whatever it is, the console says so and goes on
        return JSONResponse(nothing | {"error": type(error).__name__}, 503)
    return JSONResponse(nothing | seen)


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return _content(FOLDER / name)

    return page


async def _file(request: Request) -> Response:
    wanted = request.path_params["name"]
    # Looked up among what is there, so that no name leads out of the folder.
    found = next((path for path in FOLDER.iterdir() if path.name == wanted), None)
    if found is None or found.suffix not in _TYPES:
        raise HTTPException(404)
    return _content(found)


def _content(path: Path) -> Response:
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=_HEADERS)
