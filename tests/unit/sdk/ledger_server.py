"""A platform with one ledger, over real sockets, that misbehaves on request: it drops, fails, dawdles, hides."""

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


class Droppable(H11Protocol):
    """HTTP whose connections can be cut in the middle: ASGI alone cannot say that."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn says Transport too
        """Remember the connection by the address of its other end."""
        TRANSPORTS[transport.get_extra_info("peername")] = transport
        super().connection_made(transport)


@dataclass
class Platform:
    """How it behaves, and what it did."""

    applies: bool = True
    then: str = "answer"  # or "drop", "fail", "limit", "dawdle", "refuse"
    shows_after: int = 0
    shows_notes: bool = True
    ledger_fails: bool = False
    posts: int = 0
    reads: int = 0
    entries: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Each with the number of the reading from which on it shows: no clock decides a test."""

    def remember(self, note: str) -> None:
        """Put an old entry into the ledger."""
        self.entries.append((0, {"amount": 1, "note": note}))

    @property
    def credits(self) -> int:
        """How much was granted, old entries apart."""
        return sum(int(entry["amount"]) for _, entry in self.entries if entry["amount"] != 1)

    async def post(self, request: Request) -> Response:
        """Take a grant, and then behave."""
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
        if self.then == "dawdle":
            await request.body()
            while (await request.receive())["type"] != "http.disconnect":
                pass  # the answer comes when the client has stopped waiting for it
        return JSONResponse({"message": "forwarded", "data": {}}, 201)

    async def read(self, request: Request) -> Response:
        """Show the ledger, as far as it is shown."""
        self.reads += 1
        reading = self.reads
        if self.ledger_fails:
            return JSONResponse({"message": "down"}, 503)
        shown = [dict(entry) for first, entry in self.entries if first < reading]
        for entry in shown if not self.shows_notes else ():
            entry.pop("note")
        return JSONResponse({"message": "ok", "data": {"credits": shown}})


class Served:
    """The platform of the moment, behind an address that stays."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.platform = Platform()

    def behaving(self, **behaviour: Any) -> Platform:
        """Begin anew with a platform that behaves so."""
        self.platform = Platform(**behaviour)
        return self.platform

    async def post(self, request: Request) -> Response:
        """Pass on."""
        return await self.platform.post(request)

    async def read(self, request: Request) -> Response:
        """Pass on."""
        return await self.platform.read(request)


@contextmanager
def serving() -> Iterator[Served]:
    """Serve on a free port of the loopback interface, in a thread."""
    # Named TCP, it is given TCP_NODELAY; else every answer would wait 40 ms for an acknowledgement.
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
    config = uvicorn.Config(app, http=Droppable, ws="none", lifespan="off", log_level="critical")
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
