"""API v2.0 as documented: the key, paging in every shape, writes that take a moment, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.functional.sim.api_helpers import ADMIN, STORE, WHOLE, member_of, record
from tests.functional.sim.sim_server import HOOK, running_simulator
from tests.unit.sim.sim_worlds import FREE


@pytest.mark.parametrize("status", [400, 401, 403])
def test_the_key_is_checked(status: int) -> None:
    """Without the key, or with a wrong one, everything is refused, cancelling included."""
    with running_simulator(switches={"bad_key": str(status)}) as client:
        for path in (f"{ADMIN}/merchant", f"{ADMIN}/members?limit=5"):
            assert client.http.get(path).status_code == status
        wrong = {"X-Inveterate-Api-Key": "wrong"}
        assert client.http.post(f"{STORE}/members/1/cancellation", headers=wrong).status_code == status
        assert client.api("GET", f"{ADMIN}/merchant").status_code == 200


@pytest.mark.parametrize("end", ["absent", "null", "cursor"])
@pytest.mark.parametrize("cursor_place", ["data", "top"])
@pytest.mark.parametrize("shape", ["named", "array", "nested"])
def test_paging_in_every_shape(shape: str, cursor_place: str, end: str) -> None:
    """Every shape lists all members once, in order, and marks the last page as the switch says."""
    switches = {"data_shape": shape, "cursor_place": cursor_place, "list_end": end}
    with running_simulator(members=23, switches=switches) as client:
        seen: list[str] = []
        query: dict[str, str] = {"limit": "5"}
        for _ in range(7):
            reply = client.api("GET", f"{ADMIN}/members", params=query).json()
            data = reply["data"]
            rows = data if shape == "array" else data["members" if shape == "named" else "data"]
            seen += [row["customerId"] for row in rows]
            holder = reply if shape == "array" or cursor_place == "top" else data
            if len(rows) < 5 and not (rows and end == "cursor"):
                break
            query = {"limit": "5", "lastCustomerId": holder["lastCustomerId"]}
        assert seen == client.sim.world.order
        assert ("lastCustomerId" in holder) is (end != "absent")
        if end == "cursor":
            assert (rows, holder["lastCustomerId"]) == ([], seen[-1])


@pytest.mark.parametrize("cursor", ["text", "object"])
def test_the_ledgers_cursor(cursor: str) -> None:
    """The ledger's cursor is text that needs encoding, or an object; sent back unchanged, it returns the next page."""
    import json

    with running_simulator(switches={"credit_cursor": cursor}) as client:
        member_id = member_of(client)
        for amount in range(1, 8):
            client.act("grant", customer_id=member_id, amount=amount)
        amounts: list[float] = []
        query: dict[str, Any] = {"limit": "3"}
        for path in ("admin", "storefront", "admin", "storefront"):
            data = client.api("GET", f"/v2.0/{path}/members/{member_id}/credits", params=query).json()["data"]
            amounts += [row["amount"] for row in data["credits"]]
            following = data.get("lastCreditEntry")
            if following is None:
                break
            text = following if isinstance(following, str) else json.dumps(following)
            assert (cursor == "text") is isinstance(following, str)
            query["lastCreditEntry"] = text
        assert amounts == [10, 1, 2, 3, 4, 5, 6, 7]
        bad = client.api(
            "GET", f"{ADMIN}/members/{member_id}/credits", params={"lastCreditEntry": "nonsense"}
        )
        assert bad.status_code == 400


def test_a_write_takes_a_moment() -> None:
    """201 means accepted: a read returns the old value first, then the new one."""
    with running_simulator(write_delay=0.3) as client:
        member_id = member_of(client)
        reply = client.api("PATCH", f"{ADMIN}/members/{member_id}", json=WHOLE)
        assert (reply.status_code, reply.json()["data"]) == (201, {})
        assert record(client, member_id)["firstName"] != "A"
        deadline = time.monotonic() + 5
        while record(client, member_id)["firstName"] != "A":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert record(client, member_id)["notes"] == "n"
        assert "birthday" not in record(client, member_id)


def test_a_shop_has_tiers_or_not() -> None:
    """The benefits belong to tiers or to the shop; the other paths answer 400."""
    with running_simulator() as client:
        assert client.api("GET", f"{ADMIN}/benefits").status_code == 400
        assert client.api("GET", f"{STORE}/benefits/REFERRALS").status_code == 400
        tiers = client.api("GET", f"{ADMIN}/tiers", params={"includeBenefits": "true"}).json()["data"][
            "tiers"
        ]
        assert next(tier["tierId"] for tier in tiers) == FREE
        assert all(tier["benefits"] for tier in tiers)
        client.act("switches", tiers="disabled")
        assert client.api("GET", f"{ADMIN}/tiers").status_code == 400
        assert (
            client.api("GET", f"{STORE}/benefits/REFERRALS").json()["data"]["benefit"]["type"] == "REFERRALS"
        )


def test_only_custom_benefits_are_deleted() -> None:
    """The others can be changed; a custom one is deleted a moment later."""
    with running_simulator(switches={"tiers": "disabled"}) as client:
        assert client.api("DELETE", f"{ADMIN}/benefits/REFERRALS").status_code == 400
        assert client.api("DELETE", f"{ADMIN}/benefits/CUSTOM_BIRTHDAY_CAKE").status_code == 201
        changed = {"creditAmount": 12, "name": "Friends"}
        assert client.api("PATCH", f"{ADMIN}/benefits/REFERRALS", json=changed).status_code == 201
        client.act("advance", minutes=1)
        rows = {row["type"]: row for row in client.api("GET", f"{ADMIN}/benefits").json()["data"]["benefits"]}
        assert "CUSTOM_BIRTHDAY_CAKE" not in rows
        assert (rows["REFERRALS"]["creditAmount"], rows["REFERRALS"]["name"]) == (12, "Friends")


def test_subscriptions() -> None:
    """One topic each; the list lags; a DELETE carries its id in the body and answers 201."""
    path = f"{ADMIN}/webhook-subscriptions"
    with running_simulator(switches={"subscription_token": "body"}) as client:
        made = client.subscribe("customer.cancelled")[0]
        assert made["token"]
        listed = client.api("GET", path).json()["data"]["webhookSubscriptions"]
        assert [one["id"] for one in listed] == [made["id"]]
        assert "token" not in listed[0]
        wrong = {"topic": "customer.invented", "callbackUrl": HOOK, "name": "x"}
        assert client.api("POST", path, json=wrong).status_code == 400
        elsewhere = {"topic": "customer.cancelled", "callbackUrl": "https://example.com/x", "name": "x"}
        assert client.api("POST", path, json=elsewhere).status_code == 400
        renamed = {"topic": "customer.cancelled", "id": made["id"], "name": "ours"}
        assert client.api("PUT", path, json=renamed).status_code == 200
        assert (
            client.api("DELETE", path, json={"topic": "customer.ordered", "id": made["id"]}).status_code
            == 400
        )
        gone = client.api("DELETE", path, json={"topic": "customer.cancelled", "id": made["id"]})
        assert gone.status_code == 201
        client.act("advance", minutes=1)
        assert client.api("GET", path).json()["data"]["webhookSubscriptions"] == []


@pytest.mark.parametrize(("choice", "count"), [("many", 2), ("one_replaces", 1)])
def test_one_or_many_per_topic(choice: str, count: int) -> None:
    """A second subscription of a topic is added or replaces the first."""
    with running_simulator(switches={"subscriptions_per_topic": choice}) as client:
        client.subscribe("customer.cancelled")
        client.subscribe("customer.cancelled", name="second")
        listed = client.api("GET", f"{ADMIN}/webhook-subscriptions").json()["data"]["webhookSubscriptions"]
        assert (len(listed), listed[-1]["name"]) == (count, "second")


def test_the_topic_with_two_names() -> None:
    """Only the name that the switch holds can be subscribed, unless aliases are accepted."""
    path = f"{ADMIN}/webhook-subscriptions"
    other = {"topic": "customer.payment_method.changed", "callbackUrl": HOOK, "name": "x"}
    with running_simulator() as client:
        assert client.api("POST", path, json=other).status_code == 400
        client.act("switches", payment_method_topic="customer.payment_method.changed")
        assert client.api("POST", path, json=other).status_code == 201


def test_replies_carry_the_virtual_date() -> None:
    """The Date of every reply is the virtual time."""
    with running_simulator() as client:
        assert client.api("GET", f"{ADMIN}/merchant").headers["Date"] == "Sun, 01 Mar 2026 12:00:00 GMT"
        client.act("advance", days=1)
        assert client.api("GET", f"{ADMIN}/merchant").headers["Date"] == "Mon, 02 Mar 2026 12:00:00 GMT"
