"""crm_sync in virtual time: workers, tables in memory, and a stand-in that is called in process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx
from relay.adapters.dynamodb.rate_limit import RateLimitedTransport
from relay.crm.circuit_breaker import CircuitBreaker
from relay.crm.rate_limit import RateLimiter
from relay.crm.sync import CrmSync
from relay.ports.crm import Crm, RateLimit
from relay.ports.messaging import OutgoingMessage
from relay.queues.batch import Batch
from starlette.types import ASGIApp

from tests.contract.crm.profiles import SHOP
from tests.support.crm_fakes import FakeGates, FakeMirrors, FakeTurnstiles
from tests.support.port_fakes import FakeMembers, FakeOutgoing
from tests.support.virtual_time import LATENCY, Baton, Context, Queue

TIMEOUT = 60.0


@dataclass
class Call:
    """One request that reached the CRM."""

    at: datetime
    path: str
    status: int


@dataclass
class InProcess(httpx.BaseTransport):
    """A CRM's stand-in, called without a network. `down` is when it answers 503.

    So does it to one call, the first from then on, for each moment of `stumbles`.
    """

    app: ASGIApp
    clock: Baton
    down: tuple[datetime, datetime] | None = None
    stumbles: deque[datetime] = field(default_factory=deque)
    calls: list[Call] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, a quarter of a second later."""
        at = self.clock()
        self.clock.forward(LATENCY)
        if self._is_down(at):
            response = httpx.Response(503, json={}, request=request)
        else:
            response = self._loop.run_until_complete(self._ask(request))
        self.calls.append(Call(at, request.url.path, response.status_code))
        return response

    def close(self) -> None:
        """End the loop."""
        self._loop.close()

    def _is_down(self, at: datetime) -> bool:
        if self.stumbles and self.stumbles[0] <= at:
            self.stumbles.popleft()
            return True
        return self.down is not None and self.down[0] <= at < self.down[1]

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "path": request.url.path,
            "raw_path": request.url.raw_path,
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": "http",
            "server": ("crm", 80),
            "client": ("relay", 1),
        }
        answer: dict[str, Any] = {"status": 500, "headers": [], "body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.update(status=message["status"], headers=message.get("headers", []))
            else:
                answer["body"] += message.get("body", b"")

        await self.app(scope, receive, send)
        return httpx.Response(
            answer["status"], headers=answer["headers"], content=answer["body"], request=request
        )


class Adapter(Protocol):
    """How a CRM's adapter is made for a transport."""

    def __call__(self, transport: httpx.BaseTransport) -> Crm:
        """Return the adapter."""
        ...


@dataclass
class Plant:
    """All of it. `adapter` makes the CRM; `arrivals` are what happens to members, by time."""

    standin: ASGIApp
    adapter: Adapter
    rates: Sequence[RateLimit]
    workers: int = 2
    batch: int = 1000
    down: tuple[datetime, datetime] | None = None
    members: FakeMembers = field(default_factory=FakeMembers)
    mirrors: FakeMirrors = field(default_factory=FakeMirrors)
    gates: FakeGates = field(default_factory=FakeGates)
    turnstiles: FakeTurnstiles = field(default_factory=FakeTurnstiles)
    dead: FakeOutgoing = field(default_factory=FakeOutgoing)
    arrivals: deque[tuple[datetime, Callable[[], OutgoingMessage]]] = field(default_factory=deque)
    invocations: int = 0
    longest: float = 0.0
    _busy: int = 0

    def __post_init__(self) -> None:
        """Connect everything."""
        self.clock = Baton()
        self.queue = Queue(self.clock, arrivals=self.arrivals)
        self.crm_side = InProcess(self.standin, self.clock, self.down)
        self.crm = self.adapter(self.crm_side)

    def run(self) -> datetime:
        """Work until nothing is left; return when that was."""
        self.clock.run(self._work, self.workers)
        return self.clock.latest

    def _work(self) -> None:
        # What a Lambda environment has for itself; the tables, the queue and the CRM are shared.
        batch, sync = self._batch(), self._sync()
        while True:
            records = self.queue.receive(self.batch)
            if records:
                self._invoke(batch, sync, records)
                continue
            following = self.queue.next_at()
            if following:
                self.clock.forward(max((following - self.clock()).total_seconds(), LATENCY))
            elif self._busy:
                self.clock.forward(1)
            else:
                return

    def _invoke(self, batch: Batch, sync: CrmSync, records: list[dict[str, Any]]) -> None:
        begin = self.clock()
        self._busy += 1
        context = Context(self.clock, begin + timedelta(seconds=TIMEOUT))
        reply = batch.run({"Records": records}, context, sync.work)
        self._busy -= 1
        assert reply == {"batchItemFailures": []}, "a receive was spent"
        self.invocations += 1
        self.longest = max(self.longest, (self.clock() - begin).total_seconds())

    def _batch(self) -> Batch:
        return Batch(source=self.queue, dead_letters=self.dead, clock=self.clock, log=lambda *_: None)

    def _sync(self) -> CrmSync:
        return CrmSync(
            shop=SHOP,
            crm=self.adapter(self._paced()),
            members=self.members,
            mirrors=self.mirrors,
            clock=self.clock,
            credential="SECRET",
            observe=lambda *_: None,
            breaker=CircuitBreaker(gates=self.gates, clock=self.clock),
        )

    def _paced(self) -> httpx.BaseTransport:
        return RateLimitedTransport(
            RateLimiter(self.rates, self.turnstiles, self.clock, self.clock.forward), self.crm_side
        )


def most_in_a_window(moments: Sequence[datetime], seconds: float) -> int:
    """Return the most calls that any window of so many seconds saw."""
    ordered, most, first = sorted(moments), 0, 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= timedelta(seconds=seconds):
            first += 1
        most = max(most, last - first + 1)
    return most
