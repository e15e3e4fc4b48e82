"""Members of the simulated API: made, moved to another tier, given credits, and refused as documented."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.sim.api_helpers import ADMIN, STORE, WHOLE, member_of, record
from tests.functional.sim.sim_server import running_simulator
from tests.unit.sim.sim_worlds import FREE, GOLD, LIFETIME, SPEND


def body(customer_id: str, **more: Any) -> dict[str, Any]:
    return {
        "customerId": customer_id, "referrals": "false", "segmentId": FREE, "overrideSpendThreshold": False,
        "keepInSpendBasedTier": False, "credits": 1, "birthday": "1988-04-01",
    } | more  # fmt: skip


def test_creating_a_member_downgrades_one() -> None:
    """POST members puts an existing paid member into the free tier; an unknown customer is accepted and lost."""
    with running_simulator() as client:
        member_id = member_of(client)
        assert client.api("POST", f"{ADMIN}/members", json=body(member_id)).status_code == 201
        assert client.api("POST", f"{ADMIN}/members", json=body("123")).status_code == 201
        client.act("advance", minutes=1)
        assert record(client, member_id)["tierId"] == FREE
        assert client.api("GET", f"{ADMIN}/members/123").status_code == 400


def test_spend_based_tiers_have_two_flags() -> None:
    """Below the threshold a member joins by override only, and stays after the monthly review only if kept."""
    with running_simulator() as client:
        guest, kept = member_of(client, FREE), member_of(client, FREE)
        assert client.api("POST", f"{ADMIN}/members", json=body(guest, segmentId=SPEND)).status_code == 400
        for member_id, keep in ((guest, False), (kept, True)):
            sent = body(member_id, segmentId=SPEND, overrideSpendThreshold=True, keepInSpendBasedTier=keep)
            assert client.api("POST", f"{ADMIN}/members", json=sent).status_code == 201
        client.act("advance", days=1)
        assert [record(client, one)["tierId"] for one in (guest, kept)] == [SPEND, SPEND]
        client.act("advance", days=35)
        assert [record(client, one)["tierId"] for one in (guest, kept)] == [FREE, SPEND]


@pytest.mark.parametrize(
    "broken",
    [
        {"credits": 0},
        {"credits": "1"},
        {"birthday": "01.04.1988"},
        {"customerId": "gid://shopify/Customer/1"},
        {"segmentId": GOLD},
        {"overrideSpendThreshold": "no"},
    ],
)
def test_what_creating_refuses(broken: dict[str, Any]) -> None:
    """At least one credit, a real birthday, a numeric id, a free tier, flags that are flags."""
    with running_simulator() as client:
        assert client.api("POST", f"{ADMIN}/members", json=body("1", **broken)).status_code == 400


def test_changing_the_tier() -> None:
    """FREE to PAID needs a contract; PAID to PAID does not ask."""
    with running_simulator() as client:
        free, paid = member_of(client, FREE), member_of(client)
        path = f"{ADMIN}/members/{{}}/change-tier"
        assert client.api("POST", path.format(free), json={"tierId": GOLD}).status_code == 400
        assert client.api("POST", path.format(paid), json={"tierId": "ffffffff"}).status_code == 400
        assert client.api("POST", path.format(paid), json={"tierId": LIFETIME}).status_code == 201
        client.act("advance", minutes=1)
        assert record(client, paid)["tierId"] == LIFETIME


def test_credits_and_codes() -> None:
    """Not zero, not more than there is; a second code replaces the first; by force a code dies."""
    with running_simulator() as client:
        member_id = member_of(client)
        credits_path, redeem = (
            f"{ADMIN}/members/{member_id}/credits",
            f"{STORE}/members/{member_id}/credits/redemption",
        )
        assert client.api("POST", credits_path, json={"amount": 0}).status_code == 400
        assert client.api("POST", credits_path, json={"amount": -11}).status_code == 400
        assert client.api("POST", redeem, json={"amount": 4}).status_code == 201
        client.act("advance", minutes=1)
        first = client.read(f"members/{member_id}")["redemption"]
        assert client.api("POST", redeem, json={"amount": 3}).status_code == 201
        client.act("advance", minutes=1)
        second = client.read(f"members/{member_id}")["redemption"]
        assert (first["value"], second["value"]) == (4, 7)
        assert first["code"] != second["code"]
        assert (
            client.api("POST", credits_path, json={"amount": -9, "note": "#x", "force": True}).status_code
            == 201
        )
        client.act("advance", minutes=1)
        rows = client.api("GET", credits_path).json()["data"]["credits"]
        assert (rows[-1]["newBalance"], rows[-1]["note"]) == (1, "#x")


def test_the_ledger_may_hide_notes() -> None:
    """Whether notes show is a switch, and so is whether expiry leaves an entry."""
    with running_simulator(switches={"ledger_notes": "no", "ledger_expired": "none"}) as client:
        member_id = member_of(client)
        client.act("grant", customer_id=member_id, amount=2, note="#mark")
        client.act("advance", days=61)
        rows = client.api("GET", f"{ADMIN}/members/{member_id}/credits").json()["data"]["credits"]
        assert all("note" not in row for row in rows)
        assert "EXPIRED" not in {row["reason"] for row in rows}


def test_half_done_and_unanswered_writes() -> None:
    """A 500 may have applied the write or part of it; a timeout has applied it."""
    with running_simulator(faults={"api_half_done": 1}) as client:
        member_id = member_of(client)
        assert (
            client.api("POST", f"{ADMIN}/members/{member_id}/credits", json={"amount": 3}).status_code == 500
        )
        assert client.api("PATCH", f"{ADMIN}/members/{member_id}", json=WHOLE).status_code == 500
        client.act("advance", minutes=1)
        client.act("faults", api_half_done=0)
        found = record(client, member_id)
        assert (found["credit"], found["firstName"]) == (13, "A")
        assert found["notes"] is None
    with running_simulator(faults={"api_timeout": 1}, api_timeout=0.01) as client:
        member_id = member_of(client)
        assert (
            client.api("POST", f"{ADMIN}/members/{member_id}/credits", json={"amount": 3}).status_code == 504
        )
        client.act("advance", minutes=1)
        assert client.sim.world.members[member_id].balance == 13
    with running_simulator(faults={"api_5xx": 1}) as client:
        member_id = member_of(client)
        assert (
            client.api("POST", f"{ADMIN}/members/{member_id}/credits", json={"amount": 3}).status_code == 500
        )
        client.act("advance", minutes=1)
        assert client.sim.world.members[member_id].balance == 10
