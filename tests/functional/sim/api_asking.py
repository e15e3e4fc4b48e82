"""What the tests of the simulated API ask again and again: a member to work with, and their record."""

from __future__ import annotations

from typing import Any

from tests.functional.sim.running import Client
from tests.unit.sim.history import GOLD

ADMIN, STORE = "/v2.0/admin", "/v2.0/storefront"


WHOLE = {"firstName": "A", "lastName": "B", "notes": "n", "phoneNumber": "1", "birthday": "1988-04-01"}


def member_of(client: Client, tier_id: str = GOLD) -> str:
    joined: str = client.act("join", tier_id=tier_id)["customer_id"]
    return joined


def record(client: Client, member_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.api("GET", f"{ADMIN}/members/{member_id}").json()["data"]["member"]
    return found
