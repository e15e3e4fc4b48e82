"""Version 1 of the simulated API answers as it is documented."""

from __future__ import annotations

from typing import Any

from tests.functional.sim.sim_server import HOOK, running_simulator
from tests.unit.sim.sim_worlds import GOLD


def test_v1_answers_as_documented() -> None:
    """All 13 endpoints of v1: its envelope, its bad keys, its credits in the URL, its ledger without an envelope."""
    with running_simulator(members=3, switches={"tiers": "disabled"}) as client:
        member_id = client.act("join", tier_id=GOLD)["customer_id"]

        def data(method: str, path: str, **more: Any) -> Any:
            reply = client.api(method, path, **more)
            assert reply.status_code == 200, reply.text
            assert reply.json()["success"] is True
            return reply.json()["data"]

        assert data("GET", "/merchant")["merchant"]["currency"] == "USD"
        assert data("GET", "/benefits")["count"] > 3
        assert data("GET", "/campaigns")["count"] == 1
        page = data("GET", "/customers", params={"limit": 2})
        assert (len(page["customers"]), page["limit"], page["lastCustomerId"]) == (
            2,
            "2",
            page["customers"][-1]["customerId"],
        )
        assert (
            len(
                data("GET", "/customers", params={"limit": 9, "lastCustomerId": page["lastCustomerId"]})[
                    "customers"
                ]
            )
            == 2
        )
        assert data("GET", f"/customers/{member_id}")["customer"]["status"] == "ACTIVE"
        data("POST", "/customers/credits", params={"customerId": member_id, "credit": 5})
        data("POST", "/customers/credits", params={"customerId": "123", "credit": 5})
        client.act("advance", minutes=1)
        code = data(
            "POST",
            "/redemption-discount-code",
            json={"customerId": int(member_id), "amount": 3, "merchantId": "x"},
        )["code"]
        client.act("advance", minutes=1)
        ledger = client.api("GET", "/customers/credits", params={"customerId": member_id}).json()
        assert [row["newBalance"] for row in ledger["credits"]] == [10, 15, 12]
        assert ledger["redemption"] == {"code": code, "value": 3}
        assert client.api("GET", "/customers/credits").json()["errors"] == [
            "Missing query parameter: customerId"
        ]
        assert client.http.get("/customers/credits").json() == {"message": "Unauthorized"}
        assert client.http.get("/customers").json() == {
            "data": {},
            "success": False,
            "errors": ["Invalid API key"],
        }
        asked = data("POST", f"/customers/{member_id}/cancel", json={"merchantId": "relay-demo"})[
            "cancelRequest"
        ]
        assert asked["status"] == "INITIALIZED"
        client.act("confirm", customer_id=member_id)
        assert client.read(f"members/{member_id}")["status"] == "PENDING_CANCELLATION"
        client.act("customer", email="new@example.com")
        new = client.read("members", customers=1)["members"][0]["customer_id"]
        data("POST", "/signup-free-tier", json={"merchantId": "relay-demo", "customerId": new})
        client.act("advance", minutes=1)
        assert data("GET", f"/customers/{new}")["customer"]["status"] == "ACTIVE"
        made = data("POST", "/webhooks", json={"callbackUrl": HOOK})["subscriber"]
        listed = data("GET", "/webhooks")["subscribers"]
        assert [one["id"] for one in listed] == [made["id"]]
        assert "token" not in listed[0]
        assert data("DELETE", "/webhooks", json={"id": made["id"]}) == {"subscriber": {}}
