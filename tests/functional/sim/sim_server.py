"""A running simulator with a fake receiver, and a client of both of its APIs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from fakes.local_server import serve
from relay.adapters.http import ssl_context
from sim.programme import WorldSettings
from sim.server import create_app
from sim.simulator import Simulator, SimulatorSettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.unit.sim.sim_worlds import START, WALL

KEY = "a-secret-key"
HOOK = "http://127.0.0.1:9/webhooks/callback-key"


class FakeReceiver:
    """Records every request, and answers the n-th one with the status `answer(n, body)`."""

    def __init__(self, answer: Callable[[int, dict[str, Any]], int] = lambda _number, _body: 202) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = answer
        self.at_once = self.most_at_once = 0
        self.app = Starlette(routes=[Route("/{rest:path}", self.receive, methods=["POST"])])

    async def receive(self, request: Request) -> Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        content = await request.body()
        self.received.append((request.url.path, dict(request.headers), content))
        await asyncio.sleep(0.002)
        self.at_once -= 1
        try:
            body = json.loads(content)
        except ValueError:
            body = {}
        return JSONResponse({"id": f"ours-{len(self.received)}"}, self.answer(len(self.received), body))

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(content) for _, _, content in self.received]

    @property
    def topics(self) -> list[str]:
        return [body["metadata"]["topic"] for body in self.bodies]


class SimClient:
    """A client of the platform API (with its key) and of the control API of the simulator."""

    def __init__(self, http: httpx.Client, sim: Simulator) -> None:
        self.http = http
        self.sim = sim

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"X-Inveterate-Api-Key": KEY} | dict(more.pop("headers", {}))
        return self.http.request(method, path, headers=headers, **more)

    def act(self, name: str, status: int = 200, **body: Any) -> dict[str, Any]:
        reply = self.http.post(f"/_sim/{name}", json=body)
        assert reply.status_code == status, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def read(self, name: str, **query: Any) -> dict[str, Any]:
        reply = self.http.get(f"/_sim/{name}", params=query)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def subscribe(self, *topics: str, name: str = "relay") -> list[dict[str, Any]]:
        made = []
        for topic in topics:
            body = {"topic": topic, "callbackUrl": HOOK, "name": name}
            reply = self.api("POST", "/v2.0/admin/webhook-subscriptions", json=body)
            assert reply.status_code == 201, reply.text
            made.append(reply.json()["data"])
        self.act("advance", minutes=1)
        return made

    def wait_until_idle(self) -> dict[str, Any]:
        found = self.act("wait_until_idle", seconds=20)
        assert found["drained"], found
        return found


@contextmanager
def running_simulator(
    receiver: FakeReceiver | None = None,
    *,
    members: int = 0,
    seed: int = 1,
    switches: Mapping[str, str] | None = None,
    faults: Mapping[str, float] | None = None,
    **more: Any,
) -> Iterator[SimClient]:
    settings = SimulatorSettings(
        world=WorldSettings(seed=seed, members=members, start=START, wall_clock=lambda: WALL),
        api_key=KEY,
        switches={"retry_schedule": "0.01,0.02,0.05,0.1"} | dict(switches or {}),
        faults=dict(faults or {}),
        transport=httpx.ASGITransport((receiver or FakeReceiver()).app),
        **{"write_delay": 0.02} | more,
    )
    app = create_app(settings)
    with served(app) as url, connected(url) as http:
        yield SimClient(http, app.state.sim)


def connected(url: str) -> httpx.Client:
    """Return an HTTP client of a server on this machine."""
    return httpx.Client(base_url=url, timeout=30, trust_env=False, verify=ssl_context())


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an application on a free port of this machine, as the command does."""
    with serve(app, dates=False) as url:
        yield url
