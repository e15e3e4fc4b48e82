"""The web application of the simulator: the API of the platform, the control API and the pages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.utils import format_datetime
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sim import control, pages
from sim.api import v1, v2
from sim.csrf import CsrfGuard
from sim.simulator import Simulator, SimulatorSettings

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    import uvicorn

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "*.localhost", "testserver"]
"""The allowed Host headers. Another host is a DNS rebinding attack: a foreign name that resolves to this machine."""


class VirtualDateHeader:
    """Set the Date header of every reply to the virtual time."""

    def __init__(self, app: ASGIApp, sim: Simulator) -> None:
        self._app = app
        self._sim = sim

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request and set the Date of the reply."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._sim.world.now.replace(microsecond=0), usegmt=True)
                message["headers"] = [*message["headers"], (b"date", date.encode())]
            await send(message)

        await self._app(scope, receive, dated if scope["type"] == "http" else send)


def create_app(
    settings: SimulatorSettings, more: Sequence[BaseRoute] = (), pipeline: pages.Pipeline | None = None
) -> Starlette:
    """Return the application; the routes in `more` take precedence. The simulator is at `app.state.sim`.

    `pipeline` reports to the console how the receiver processed the events (see `pages.Pipeline`).
    """
    sim = Simulator(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with sim:
            yield

    app = Starlette(
        routes=[
            *more,
            *control.routes(sim),
            *v2.routes(sim),
            *v1.routes(sim),
            *pages.routes(sim, pipeline),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=ALLOWED_HOSTS),
            Middleware(CsrfGuard),
            Middleware(VirtualDateHeader, sim=sim),
        ],
        exception_handlers={HTTPException: _error_response},
        lifespan=lifespan,
    )
    app.state.sim = sim
    return app


async def _error_response(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"Cannot {request.method} {request.url.path}"
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return JSONResponse({"message": message, "data": {}}, status, headers)


def serve(
    settings: SimulatorSettings,
    port: int,
    more: Sequence[BaseRoute] = (),
    pipeline: pages.Pipeline | None = None,
) -> None:
    """Serve until interrupted, on this machine only; port 0 takes a free one.

    Raises:
        OSError: the port is in use, or is for the administrator alone.

    """
    import socket

    import uvicorn

    app = create_app(settings, more, pipeline)
    sim: Simulator = app.state.sim
    # uvicorn would print an error of its own, after the address was printed.
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    print(
        json.dumps(
            {
                "url": f"http://127.0.0.1:{port}",
                "console": f"http://127.0.0.1:{port}/console",
                "now": sim.world.now.isoformat(),
                "members": len(sim.world.members),
            }
        ),
        flush=True,
    )
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    with contextlib.suppress(KeyboardInterrupt):
        _server(config, sim).run(sockets=[listener])


@contextlib.contextmanager
def running_simulator(
    settings: SimulatorSettings, pipeline: pages.Pipeline | None = None
) -> Iterator[tuple[str, Simulator]]:
    """Serve a simulator on a free port in a thread; yield its address and the simulator."""
    from fakes import local_server

    app = create_app(settings, pipeline=pipeline)
    sim: Simulator = app.state.sim
    with local_server.serve(app, server_of=lambda config: _server(config, sim), dates=False) as url:
        yield url, sim


def _server(config: uvicorn.Config, sim: Simulator) -> uvicorn.Server:
    """Return a server that closes the event streams on shutdown: an open console would keep it running."""
    from fakes import local_server

    class Server(local_server.LocalServer):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            sim.dispatcher.close_streams()
            await super().shutdown(sockets)

    return Server(config)
