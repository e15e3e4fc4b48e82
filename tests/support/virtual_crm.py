"""Runs `crm_sync` in virtual time: several environments, tables in memory, and a fake CRM that is called in process."""

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
from tests.support.crm_fakes import FakeCircuits, FakeRateLimits, FakeSyncStates
from tests.support.port_fakes import FakeMembers, FakeOutgoing
from tests.support.virtual_time import LATENCY, VirtualClock, VirtualContext, VirtualQueue

TIMEOUT = 60.0


@dataclass
class CrmCall:
    """One request that reached the CRM."""

    at: datetime
    path: str
    status: int


@dataclass
class InProcessTransport(httpx.BaseTransport):
    """A transport to a fake CRM without a network. The CRM answers 503 in the period `down`.

    It also answers one 503 for each moment of `errors`, to the first call from then on.
    """

    app: ASGIApp
    clock: VirtualClock
    down: tuple[datetime, datetime] | None = None
    errors: deque[datetime] = field(default_factory=deque)
    calls: list[CrmCall] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, a quarter of a second later."""
        at = self.clock()
        self.clock.forward(LATENCY)
        if self._is_down(at):
            response = httpx.Response(503, json={}, request=request)
        else:
            response = self._loop.run_until_complete(self._ask(request))
        self.calls.append(CrmCall(at, request.url.path, response.status_code))
        return response

    def close(self) -> None:
        """End the loop."""
        self._loop.close()

    def _is_down(self, at: datetime) -> bool:
        if self.errors and self.errors[0] <= at:
            self.errors.popleft()
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


class MakeAdapter(Protocol):
    """Makes a CRM's adapter for a transport."""

    def __call__(self, transport: httpx.BaseTransport) -> Crm:
        """Return the adapter."""
        ...


@dataclass
class VirtualCrmRun:
    """A whole run. `adapter` makes the CRM; `arrivals` are the changes of members, by time."""

    fake_crm: ASGIApp
    adapter: MakeAdapter
    rate_limits: Sequence[RateLimit]
    workers: int = 2
    batch: int = 1000
    down: tuple[datetime, datetime] | None = None
    members: FakeMembers = field(default_factory=FakeMembers)
    sync_states: FakeSyncStates = field(default_factory=FakeSyncStates)
    circuits: FakeCircuits = field(default_factory=FakeCircuits)
    reserved: FakeRateLimits = field(default_factory=FakeRateLimits)
    dead: FakeOutgoing = field(default_factory=FakeOutgoing)
    arrivals: deque[tuple[datetime, Callable[[], OutgoingMessage]]] = field(default_factory=deque)
    invocations: int = 0
    longest: float = 0.0
    _busy: int = 0

    def __post_init__(self) -> None:
        """Connect everything."""
        self.clock = VirtualClock()
        self.queue = VirtualQueue(self.clock, arrivals=self.arrivals)
        self.transport = InProcessTransport(self.fake_crm, self.clock, self.down)
        self.crm = self.adapter(self.transport)

    def run(self) -> datetime:
        """Work until nothing is left; return the time then."""
        self.clock.run(self._work, self.workers)
        return self.clock.latest

    def _work(self) -> None:
        # Each Lambda environment has these for itself; the tables, the queue and the CRM are shared.
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
        context = VirtualContext(self.clock, begin + timedelta(seconds=TIMEOUT))
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
            crm=self.adapter(self._rate_limited()),
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            credential="SECRET",
            observe=lambda *_: None,
            breaker=CircuitBreaker(circuits=self.circuits, clock=self.clock),
        )

    def _rate_limited(self) -> httpx.BaseTransport:
        limiter = RateLimiter(self.rate_limits, self.reserved, self.clock, self.clock.forward)
        return RateLimitedTransport(limiter, self.transport)


def most_in_a_window(moments: Sequence[datetime], seconds: float) -> int:
    """Return the most calls in any window of `seconds`."""
    ordered, most, first = sorted(moments), 0, 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= timedelta(seconds=seconds):
            first += 1
        most = max(most, last - first + 1)
    return most
