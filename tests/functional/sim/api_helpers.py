"""Helpers for the tests of the simulated API: a new member, and its record."""

from __future__ import annotations

from typing import Any

from tests.functional.sim.sim_server import SimClient
from tests.unit.sim.sim_worlds import GOLD

ADMIN, STORE = "/v2.0/admin", "/v2.0/storefront"


WHOLE = {"firstName": "A", "lastName": "B", "notes": "n", "phoneNumber": "1", "birthday": "1988-04-01"}


def member_of(client: SimClient, tier_id: str = GOLD) -> str:
    joined: str = client.act("join", tier_id=tier_id)["customer_id"]
    return joined


def record(client: SimClient, member_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.api("GET", f"{ADMIN}/members/{member_id}").json()["data"]["member"]
    return found
