"""Serve an ASGI application on a free port of this machine, for as long as somebody needs it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 10.0
_TICK_SECONDS: Final = 0.01


class Server(uvicorn.Server):
    """A server that ends when it is told to: uvicorn's own looks ten times a second, which most tests wait for."""

    async def main_loop(self) -> None:
        """Go on until it is to end."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(_TICK_SECONDS)


@contextmanager
def serve(
    app: ASGIApp,
    port: int = 0,
    server_of: Callable[[uvicorn.Config], uvicorn.Server] = Server,
    *,
    dates: bool = True,
) -> Iterator[str]:
    """Serve `app` on the loopback interface in a thread; yields its address, `http://127.0.0.1:{port}`.

    An app that dates its own replies is left to it where `dates` is false. The port is bound before the server
    starts, so that nobody else can take it, and the address answers when it is yielded. On the way out requests
    that still hang are cut off, and the thread has ended.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        server = server_of(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                log_config=None,
                access_log=False,
                date_header=dates,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="stand-in", daemon=True
        )
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://{_HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the stand-in did not start; its log says why")
        time.sleep(0.002)
