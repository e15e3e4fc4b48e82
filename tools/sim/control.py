"""The simulator's own interface, under /_sim: for pages, players and tests. It never shows the API key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sim import acts, views
from sim.clock import parse
from sim.errors import AheadOfTimeError, NotThereError, SimError
from sim.events import Event
from sim.programme import Beginning
from sim.simulator import Simulator

_MOST_SECONDS: Final = 4_000 * 86_400


def routes(sim: Simulator) -> list[Route]:
    """Return the routes of the interface."""
    control = Control(sim)
    reads = ("state", "members", "member", "deliveries", "delivery", "requests", "truth", "occasions", "stream", "tiers")  # fmt: skip
    paths = {"member": "members/{id}", "delivery": "deliveries/{id:int}"}
    made = [
        Route(f"/_sim/{paths.get(name, name)}", _guarded(getattr(control, name)), methods=["GET"])
        for name in reads
    ]
    writes = ("advance", "reset", "settle", "populate", "faults", "switches", "habits")
    made += [
        Route(
            f"/_sim/{name}",
            _guarded(getattr(control, name)),
            methods=["GET", "POST"] if name in {"faults", "switches", "habits"} else ["POST"],
        )
        for name in writes
    ]
    made += [Route("/_sim/trigger/{topic}", _guarded(control.trigger), methods=["POST"])]
    made += [
        Route(f"/_sim/{name}", _guarded(control.act(act)), methods=["POST"])
        for name, act in acts.ACTS.items()
    ]
    return made


Endpoint = Callable[[Request], Awaitable[Response]]


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except NotThereError as error:
            return JSONResponse({"error": str(error)}, 404)
        except AheadOfTimeError as error:
            return JSONResponse({"error": str(error)}, 409)
        except SimError as error:
            return JSONResponse({"error": str(error)}, 409)
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            return JSONResponse({"error": f"not understood: {type(error).__name__} {error}"}, 400)

    return guarded


async def _body(request: Request) -> dict[str, Any]:
    content = await request.body()
    found = json.loads(content) if content.strip() else {}
    if not isinstance(found, dict):
        raise TypeError("a JSON object is wanted")
    return found


class Control:
    """One method for each path."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim

    async def state(self, _: Request) -> Response:
        """Tell the time, the counts, the tiers, what is switched and what is broken."""
        return JSONResponse(views.state(self.sim))

    async def tiers(self, _: Request) -> Response:
        """Tell the tiers with what a shop page needs of them."""
        return JSONResponse({"tiers": views.tiers(self.sim)})

    async def members(self, request: Request) -> Response:
        """List members: ?search=&status=&tier_id=&limit=&after=, ?customers=1 for those who are none yet."""
        return JSONResponse(views.members(self.sim, request.query_params))

    async def member(self, request: Request) -> Response:
        """Tell all about one, metafields included."""
        return JSONResponse(views.member(self.sim, request.path_params["id"]))

    async def deliveries(self, request: Request) -> Response:
        """List deliveries, the newest first: ?limit=&before=&state=&topic=&customer_id=."""
        return JSONResponse(views.deliveries(self.sim, request.query_params))

    async def delivery(self, request: Request) -> Response:
        """Tell all about one, with what was sent."""
        return JSONResponse(views.delivery(self.sim, request.path_params["id"]))

    async def requests(self, _: Request) -> Response:
        """List every request that was made to a callback URL, with what was truly answered."""
        return StreamingResponse(views.requests(self.sim), media_type="application/json")

    async def occasions(self, _: Request) -> Response:
        """Tell to which matter of its member each event belongs: [{customer_id, at, topic, occasion}, …]."""
        return JSONResponse({"occasions": self.sim.world.occasions.described()})

    async def truth(self, _: Request) -> Response:
        """Tell what every mirror should have reached, one member a line, so that any number can be read."""
        return StreamingResponse(views.truth(self.sim), media_type="application/json")

    async def stream(self, _: Request) -> Response:
        """Tell of deliveries as they change, as server-sent events."""
        return StreamingResponse(
            self._watch(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def _watch(self) -> AsyncIterator[str]:
        watcher: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1000)
        watchers = self.sim.deliveries.watchers
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
        """Turn the clock: {"days": 3, "hours": 1, "minutes": 5}."""
        body = await _body(request)
        span = timedelta(
            **{name: float(body.pop(name)) for name in ("days", "hours", "minutes") if name in body}
        )
        if body or not 0 < span.total_seconds() < _MOST_SECONDS:
            raise ValueError("days, hours or minutes, forwards")
        caused = await self.sim.advance(span)
        return JSONResponse({"caused": caused} | views.summary(self.sim))

    async def settle(self, request: Request) -> Response:
        """Wait until all deliveries are through: {"seconds": 30}."""
        body = await _body(request)
        drained = await self.sim.deliveries.drained(min(float(body.get("seconds", 30)), 600))
        return JSONResponse({"drained": drained} | views.summary(self.sim))

    async def populate(self, request: Request) -> Response:
        """Plan new customers to join: {"members": 200, "over_days": 3}."""
        body = await _body(request)
        count, days = int(body["members"]), float(body.get("over_days", 3))
        if not 0 < count <= 1_000_000 or not 0 < days <= 365:  # noqa: PLR2004 - bounds against slips
            raise ValueError("members up to a million, over_days up to a year")
        acts.invite(self.sim.world, count, days)
        return JSONResponse(views.summary(self.sim))

    async def faults(self, request: Request) -> Response:
        """Show the faults, or set rates: {"duplicate": 0.05} or {"set": "none" | "default" | "all"}."""
        if request.method == "POST":
            acts.break_things(self.sim.world, await _body(request))
        return JSONResponse({"faults": self.sim.world.faults.described()})

    async def switches(self, request: Request) -> Response:
        """Show the switches, or choose readings: {"data_shape": "array"}."""
        if request.method == "POST":
            for name, value in (await _body(request)).items():
                self.sim.world.switches.set(name, str(value))
        return JSONResponse({"switches": self.sim.world.switches.described()})

    async def habits(self, request: Request) -> Response:
        """Show how members live, or set rates: {"orders": 1.5, "payment_fails": 0.1}."""
        if request.method == "POST":
            acts.live_by(self.sim.world, await _body(request))
        return JSONResponse({"habits": self.sim.world.habits.described()})

    async def reset(self, request: Request) -> Response:
        """Begin anew: {"seed": 1, "members": 200, "start": "2026-01-01T12:00:00Z"}; subscriptions are gone."""
        body, old = await _body(request), self.sim.settings.beginning
        start = parse(body["start"]) if "start" in body else old.start
        await self.sim.reset(
            Beginning(
                seed=int(body.get("seed", old.seed)),
                members=int(body.get("members", old.members)),
                shop_domain=old.shop_domain,
                start=start,
                wall_clock=old.wall_clock,
            )
        )
        return JSONResponse(views.summary(self.sim))

    async def trigger(self, request: Request) -> Response:
        """Let one event of a topic happen: {"customer_id": …} for whom, else for somebody fitting."""
        body = await _body(request)
        events = await self.sim.do(lambda: acts.trigger(self.sim.world, request.path_params["topic"], body))
        return self._told(events)

    def act(self, act: acts.Act) -> Endpoint:
        """Return the endpoint of something that a person does."""

        async def endpoint(request: Request) -> Response:
            body = await _body(request)
            return self._told(await self.sim.do(lambda: act(self.sim.world, body)))

        return endpoint

    def _told(self, events: list[Event]) -> Response:
        told = [views.event(event) for event in events]
        member_id = events[0].member_id if events else None
        return JSONResponse({"customer_id": member_id, "events": told} | views.summary(self.sim))
