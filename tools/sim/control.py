"""The control API of the simulator, under /_sim, for its pages, scenarios and tests. It never returns the API key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sim import commands, views
from sim.clock import parse
from sim.errors import AheadOfTimeError, NotFoundError, SimError
from sim.events import Event
from sim.programme import WorldSettings
from sim.simulator import Simulator

_MAX_SECONDS: Final = 4_000 * 86_400


def routes(sim: Simulator) -> list[Route]:
    """Return the routes of the control API."""
    control = ControlApi(sim)
    reads = ("state", "members", "member", "deliveries", "delivery", "requests", "expected_state", "incidents", "stream", "tiers")  # fmt: skip
    paths = {"member": "members/{id}", "delivery": "deliveries/{id:int}"}
    made = [
        Route(f"/_sim/{paths.get(name, name)}", _guarded(getattr(control, name)), methods=["GET"])
        for name in reads
    ]
    writes = ("advance", "reset", "wait_until_idle", "populate", "faults", "switches", "behaviour")
    made += [
        Route(
            f"/_sim/{name}",
            _guarded(getattr(control, name)),
            methods=["GET", "POST"] if name in {"faults", "switches", "behaviour"} else ["POST"],
        )
        for name in writes
    ]
    made += [Route("/_sim/trigger/{topic}", _guarded(control.trigger), methods=["POST"])]
    made += [
        Route(f"/_sim/{name}", _guarded(control.run(command)), methods=["POST"])
        for name, command in commands.COMMANDS.items()
    ]
    return made


Endpoint = Callable[[Request], Awaitable[Response]]


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except NotFoundError as error:
            return JSONResponse({"error": str(error)}, 404)
        except AheadOfTimeError as error:
            return JSONResponse({"error": str(error)}, 409)
        except SimError as error:
            return JSONResponse({"error": str(error)}, 409)
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            return JSONResponse({"error": f"invalid request: {type(error).__name__} {error}"}, 400)

    return guarded


async def _body(request: Request) -> dict[str, Any]:
    content = await request.body()
    found = json.loads(content) if content.strip() else {}
    if not isinstance(found, dict):
        raise TypeError("a JSON object is required")
    return found


class ControlApi:
    """One method for each path."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim

    async def state(self, _: Request) -> Response:
        """Return the time, the counts, the tiers, the switches and the fault rates."""
        return JSONResponse(views.state(self.sim))

    async def tiers(self, _: Request) -> Response:
        """Return the tiers with the data of a shop page."""
        return JSONResponse({"tiers": views.tiers(self.sim)})

    async def members(self, request: Request) -> Response:
        """List members: ?search=&status=&tier_id=&limit=&after=; ?customers=1 lists the customers without a membership."""
        return JSONResponse(views.members(self.sim, request.query_params))

    async def member(self, request: Request) -> Response:
        """Return one member with metafields, ledger and expected state."""
        return JSONResponse(views.member(self.sim, request.path_params["id"]))

    async def deliveries(self, request: Request) -> Response:
        """List deliveries, newest first: ?limit=&before=&state=&topic=&customer_id=."""
        return JSONResponse(views.deliveries(self.sim, request.query_params))

    async def delivery(self, request: Request) -> Response:
        """Return one delivery with its payload."""
        return JSONResponse(views.delivery(self.sim, request.path_params["id"]))

    async def requests(self, _: Request) -> Response:
        """List every request to a callback URL with the real answer of the receiver."""
        return StreamingResponse(views.requests(self.sim), media_type="application/json")

    async def incidents(self, _: Request) -> Response:
        """Return the incident of each event: {"incidents": [{event, customer_id, at, topic, incident_key}, …]}."""
        return JSONResponse({"incidents": self.sim.world.incidents.rows()})

    async def expected_state(self, _: Request) -> Response:
        """Stream the expected state of every mirrored member, one member a line."""
        return StreamingResponse(views.expected_state(self.sim), media_type="application/json")

    async def stream(self, _: Request) -> Response:
        """Stream each change of a delivery as a server-sent event."""
        return StreamingResponse(
            self._watch(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def _watch(self) -> AsyncIterator[str]:
        watcher: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1000)
        watchers = self.sim.dispatcher.watchers
        watchers.add(watcher)
        try:
            yield f"event: state\ndata: {json.dumps(views.summary(self.sim))}\n\n"
            while True:
                try:
                    changed = await asyncio.wait_for(watcher.get(), 5)
                except TimeoutError:
                    yield f"event: state\ndata: {json.dumps(views.summary(self.sim))}\n\n"
                else:
                    if not changed:
                        return
                    yield f"event: delivery\ndata: {json.dumps(changed)}\n\n"
        finally:
            watchers.discard(watcher)

    async def advance(self, request: Request) -> Response:
        """Advance virtual time: {"days": 3, "hours": 1, "minutes": 5}."""
        body = await _body(request)
        span = timedelta(
            **{name: float(body.pop(name)) for name in ("days", "hours", "minutes") if name in body}
        )
        if body or not 0 < span.total_seconds() < _MAX_SECONDS:
            raise ValueError("days, hours or minutes above 0")
        caused = await self.sim.advance(span)
        return JSONResponse({"caused": caused} | views.summary(self.sim))

    async def wait_until_idle(self, request: Request) -> Response:
        """Wait until no delivery is pending: {"seconds": 30}."""
        body = await _body(request)
        drained = await self.sim.dispatcher.wait_until_drained(min(float(body.get("seconds", 30)), 600))
        return JSONResponse({"drained": drained} | views.summary(self.sim))

    async def populate(self, request: Request) -> Response:
        """Schedule new customers that join: {"members": 200, "over_days": 3}."""
        body = await _body(request)
        count, days = int(body["members"]), float(body.get("over_days", 3))
        if not 0 < count <= 1_000_000 or not 0 < days <= 365:  # noqa: PLR2004 - bounds against typing errors
            raise ValueError("members is at most 1000000, over_days at most 365")
        commands.schedule_joins(self.sim.world, count, days)
        return JSONResponse(views.summary(self.sim))

    async def faults(self, request: Request) -> Response:
        """Return the fault rates, or set them: {"duplicate": 0.05} or {"set": "none" | "default" | "all"}."""
        if request.method == "POST":
            commands.set_fault_rates(self.sim.world, await _body(request))
        return JSONResponse({"faults": self.sim.world.faults.described()})

    async def switches(self, request: Request) -> Response:
        """Return the switches, or set them: {"data_shape": "array"}."""
        if request.method == "POST":
            for name, value in (await _body(request)).items():
                self.sim.world.switches.set(name, str(value))
        return JSONResponse({"switches": self.sim.world.switches.described()})

    async def behaviour(self, request: Request) -> Response:
        """Return the behaviour rates, or set them: {"orders": 1.5, "payment_fails": 0.1}."""
        if request.method == "POST":
            commands.set_behaviour(self.sim.world, await _body(request))
        return JSONResponse({"behaviour": self.sim.world.behaviour.described()})

    async def reset(self, request: Request) -> Response:
        """Start a new history: {"seed": 1, "members": 200, "start": "2026-01-01T12:00:00Z"}; subscriptions are deleted."""
        body, old = await _body(request), self.sim.settings.world
        start = parse(body["start"]) if "start" in body else old.start
        await self.sim.reset(
            WorldSettings(
                seed=int(body.get("seed", old.seed)),
                members=int(body.get("members", old.members)),
                shop_domain=old.shop_domain,
                start=start,
                wall_clock=old.wall_clock,
            )
        )
        return JSONResponse(views.summary(self.sim))

    async def trigger(self, request: Request) -> Response:
        """Make one event of a topic happen, for {"customer_id": …} or for the first suitable member."""
        body = await _body(request)
        events = await self.sim.run_command(
            lambda: commands.trigger(self.sim.world, request.path_params["topic"], body)
        )
        return self._events_response(events)

    def run(self, command: commands.Command) -> Endpoint:
        """Return the endpoint of a command."""

        async def endpoint(request: Request) -> Response:
            body = await _body(request)
            return self._events_response(await self.sim.run_command(lambda: command(self.sim.world, body)))

        return endpoint

    def _events_response(self, events: list[Event]) -> Response:
        rows = [views.event(event) for event in events]
        member_id = events[0].member_id if events else None
        return JSONResponse({"customer_id": member_id, "events": rows} | views.summary(self.sim))
