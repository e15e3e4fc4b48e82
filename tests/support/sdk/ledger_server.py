"""A platform with one ledger, over real sockets, with faults on request: dropped, failed, stalled and hidden."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

TRANSPORTS: dict[tuple[str, int], asyncio.Transport] = {}


class DroppableProtocol(H11Protocol):
    """HTTP whose connections can be cut in the middle, which ASGI alone cannot do."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn says Transport too
        """Record the connection by the address of its peer."""
        TRANSPORTS[transport.get_extra_info("peername")] = transport
        super().connection_made(transport)


@dataclass
class Platform:
    """The behaviour of the platform, and what it has done."""

    applies: bool = True
    then: str = "answer"  # or "drop", "fail", "limit", "stall", "refuse"
    shows_after: int = 0
    shows_notes: bool = True
    ledger_fails: bool = False
    posts: int = 0
    reads: int = 0
    entries: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Each with the number of the first reading that shows it: no clock decides a test."""

    def add_old_entry(self, note: str) -> None:
        """Add an old entry to the ledger."""
        self.entries.append((0, {"amount": 1, "note": note}))

    @property
    def credits(self) -> int:
        """The sum of the grants, without old entries."""
        return sum(int(entry["amount"]) for _, entry in self.entries if entry["amount"] != 1)

    async def post(self, request: Request) -> Response:
        """Accept a grant, and then show the configured behaviour."""
        self.posts += 1
        if self.then == "refuse":
            return JSONResponse({"message": "no such tier"}, 400)
        if self.applies:
            self.entries.append((self.reads + self.shows_after, json.loads(await request.body())))
        if self.then == "drop":
            TRANSPORTS[(request.client.host, request.client.port)].abort()  # type: ignore[union-attr] # a socket has one
            await request.receive()
        if self.then == "fail":
            return JSONResponse({"message": "half done"}, 500)
        if self.then == "limit":
            return JSONResponse({"message": "too many"}, 429)
        if self.then == "stall":
            await request.body()
            while (await request.receive())["type"] != "http.disconnect":
                pass  # the reply comes when the client has stopped waiting for it
        return JSONResponse({"message": "forwarded", "data": {}}, 201)

    async def read(self, request: Request) -> Response:
        """Return the visible part of the ledger."""
        self.reads += 1
        reading = self.reads
        if self.ledger_fails:
            return JSONResponse({"message": "down"}, 503)
        shown = [dict(entry) for first, entry in self.entries if first < reading]
        for entry in shown if not self.shows_notes else ():
            entry.pop("note")
        return JSONResponse({"message": "ok", "data": {"credits": shown}})


class Served:
    """The present platform, behind an address that does not change."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.platform = Platform()

    def reset(self, **behaviour: Any) -> Platform:
        """Replace the platform with a new one of this behaviour."""
        self.platform = Platform(**behaviour)
        return self.platform

    async def post(self, request: Request) -> Response:
        """Delegate to the present platform."""
        return await self.platform.post(request)

    async def read(self, request: Request) -> Response:
        """Delegate to the present platform."""
        return await self.platform.read(request)


@contextmanager
def serving() -> Iterator[Served]:
    """Serve on a free port of the loopback interface, in a thread."""
    # asyncio sets TCP_NODELAY only on a socket with this protocol; otherwise every reply waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}")
    path = "/v2.0/admin/members/{id}/credits"
    app = Starlette(
        routes=[
            Route(path, served.post, methods=["POST"]),
            Route(path, served.read, methods=["GET"]),
        ]
    )
    config = uvicorn.Config(app, http=DroppableProtocol, ws="none", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield served
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        TRANSPORTS.clear()
