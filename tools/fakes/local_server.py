"""A web server in a thread of this process, on a free port of this machine, for a fake or the simulator."""

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


class LocalServer(uvicorn.Server):
    """A server that stops within 10 ms: uvicorn waits for tenths of a second, and most tests wait for the stop."""

    async def main_loop(self) -> None:
        """Run until the server is asked to stop."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(_TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is idle, cut off what is open after a second, and let the application end."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        until = time.monotonic() + (self.config.timeout_graceful_shutdown or 0)
        while (state.connections or state.tasks) and time.monotonic() < until:  # noqa: ASYNC110 - nothing tells of the end
            await asyncio.sleep(_TICK_SECONDS / 10)
        for task in state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@contextmanager
def serve(
    app: ASGIApp,
    port: int = 0,
    server_of: Callable[[uvicorn.Config], uvicorn.Server] = LocalServer,
    *,
    dates: bool = True,
) -> Iterator[str]:
    """Serve `app` on the loopback interface in a thread; yield its address, `http://127.0.0.1:{port}`.

    With `dates` false the application sets the Date header itself. The port is bound before the server starts, so
    that no other process can take it, and the address answers when it is yielded. On exit the open requests are cut
    off and the thread has ended.
    """
    # Without the protocol's name asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
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
            target=server.run, kwargs={"sockets": [listener]}, name="local-server", daemon=True
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
            raise RuntimeError("the local server did not start; see its log")
        time.sleep(0.002)
