"""Twenty thousand members: memory stays flat while listing, and a month costs what happens in it."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from datetime import timedelta

import httpx
import pytest
from sim import programme
from sim.api import v2
from sim.programme import WorldSettings
from sim.simulator import Simulator, SimulatorSettings
from starlette.applications import Starlette

from tests.functional.sim.sim_server import KEY
from tests.unit.sim.sim_worlds import START, WALL

pytestmark = pytest.mark.xdist_group("scale")
"""One worker creates the world for both tests."""

MANY = 20_000


@pytest.fixture(scope="module")
def sim() -> Simulator:
    """Create the world once: it takes some seconds."""
    settings = WorldSettings(seed=1, members=MANY, start=START, wall_clock=lambda: WALL)
    return Simulator(SimulatorSettings(world=settings, api_key=KEY, switches={"page_max": "1000"}))


SHOWN = 1_500
"""Bytes that the expected state keeps of a member that the API has shown."""


def test_listing_all_pages_stays_flat(sim: Simulator) -> None:
    """Each of 20,000 members is listed once. Of ten pages only what the API has shown of each member stays: it is the truth."""

    async def listed() -> tuple[int, int]:
        transport = httpx.ASGITransport(Starlette(routes=v2.routes(sim)))
        seen, last, kept = 0, "", 0
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            while True:
                query = {"limit": "1000"} | ({"lastCustomerId": last} if last else {})
                reply = await client.get(
                    "/v2.0/admin/members", params=query, headers={"X-Inveterate-Api-Key": KEY}
                )
                data = reply.json()["data"]
                assert all(row["customerId"] > last for row in data["members"])
                seen += len(data["members"])
                if "lastCustomerId" not in data:
                    return seen, kept
                last = data["lastCustomerId"]
                del data, reply
                if seen == 5_000:
                    tracemalloc.start()
                if seen == 15_000:
                    gc.collect()
                    kept = tracemalloc.get_traced_memory()[0]
                    tracemalloc.stop()

    seen, kept = asyncio.run(listed())
    assert seen == MANY
    assert kept < 10_000 * SHOWN, f"{kept / 2**20:.1f} MiB"


def test_a_month_costs_what_happens_in_it(sim: Simulator) -> None:
    """A month processes fewer scheduled actions than it has events, not members times days."""
    world = sim.world
    before, done = world.ordinal, world.schedule.processed
    for _ in programme.advance(world, timedelta(days=31)):
        pass
    events, steps = world.ordinal - before, world.schedule.processed - done
    assert events > MANY // 2
    assert steps < events
