"""The simulator's own interface: acts, the truth, what pages are shown, and what they are never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sim import player
from sim.errors import NotThereError, RefusedError
from sim.events import TOPICS

from tests.functional.sim.running import HOOK, KEY, Receiver, running
from tests.unit.sim.history import GOLD


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_can_be_triggered(topic: str) -> None:
    """Triggering lets the thing really happen: the event is delivered, and the state is as it says."""
    receiver = Receiver()
    with running(receiver) as client:
        client.subscribe(topic)
        client.act("join", tier_id=GOLD)
        told = client.act(f"trigger/{topic}")
        client.through()
        assert topic in [event["topic"] for event in told["events"]]
        assert topic in receiver.topics


def test_the_bare_address_leads_to_the_console() -> None:
    """Whoever opens the address alone sees the console, not an error."""
    with running() as client:
        reply = client.http.get("/", follow_redirects=True)
        assert (reply.status_code, reply.url.path) == (200, "/console")


def test_the_clock_is_turned_and_never_too_far() -> None:
    """Advancing tells what it caused; past the wall clock it is refused with 409; nonsense with 400."""
    with running() as client:
        client.act("join", tier_id=GOLD)
        found = client.act("advance", days=31, hours=1)
        assert (found["caused"], found["now"]) == (2, "2026-04-01T13:00:01.000Z")
        client.act("advance", status=409, days=500)
        assert client.read("state")["now"] == found["now"]
        for slip in ({"days": -1}, {"weeks": 1}, {}, {"days": "soon"}):
            client.act("advance", status=400, **slip)


def test_a_failing_payment_from_the_console() -> None:
    """Fail a payment, advance three days: the timeline, the tags, and what every mirror should say."""
    with running() as client:
        member_id = client.act("join", tier_id=GOLD)["customer_id"]
        client.act("fail_payment", customer_id=member_id)
        assert "inveterate-billing-failure" in client.read(f"members/{member_id}")["tags"]
        fields = client.read("truth")["members"][0]["fields"]
        assert (fields["status"], fields["payment_status"], fields["failed_attempts"]) == (
            "past_due",
            "past_due",
            1,
        )
        client.act("advance", days=3)
        found = client.read("truth")["members"][0]
        assert (found["fields"]["status"], found["fields"]["cancel_type"]) == ("cancelled", "involuntary")
        assert found["fields"]["payment_status"] == "failed"
        assert found["platform"]["status"] == "CANCELLED"
        client.act("fail_payment", status=409, customer_id=member_id)
        client.act("fail_payment", status=404, customer_id="nobody")


def test_the_truth_is_what_events_told() -> None:
    """A member who was there before is not in it; of a trial nothing is known that no event has told."""
    with running(members=3) as client:
        assert client.read("truth")["members"] == []
        client.act("join", tier_id="c669d6e7", email=" Ada@Example.com ")
        fields = client.read("truth")["members"][0]["fields"]
        assert fields["status"] == "trialing"
        assert "email" not in fields
        client.act("advance", days=15)
        fields = client.read("truth")["members"][0]["fields"]
        assert (fields["email"], fields["status"], fields["fee_amount"]) == (
            "ada@example.com",
            "active",
            "9.99",
        )
        assert (fields["credit_balance"], fields["next_payment_on"]) == ("5", "2026-04-15")


def test_the_key_and_callbacks_are_shown_nowhere() -> None:
    """Neither the API key, nor a callback URL's key, nor a token is in anything that a page can read."""
    with running(members=2, switches={"subscription_token": "body"}) as client:
        token = client.subscribe("customer.pending_cancellation")[0]["token"]
        member_id = client.act("join", tier_id=GOLD)["customer_id"]
        client.act("cancel", customer_id=member_id)
        client.through()
        shown = [
            client.http.get(f"/_sim/{path}").text
            for path in (
                "state",
                "members",
                "tiers",
                "truth",
                "switches",
                "faults",
                "habits",
                "deliveries",
                "deliveries/1",
                f"members/{member_id}",
            )
        ]
        with client.http.stream("GET", "/_sim/stream") as stream:
            shown.append(next(stream.iter_text()))
        secret = client.sim.world.members[member_id].cancel
        assert secret is not None
        for text in shown:
            assert not any(hidden in text for hidden in (KEY, "callback-key", token, secret.token))


def test_deliveries_are_streamed() -> None:
    """A page hears of each delivery as it changes."""
    with running() as client:
        client.subscribe("customer.joined.paid_tier")
        with client.http.stream("GET", "/_sim/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: state"
            assert json.loads(next(lines).removeprefix("data: "))["members"] == 0
            client.act("join", tier_id=GOLD)
            heard = [
                json.loads(line.removeprefix("data: "))
                for line in _until(lines, '"delivered"')
                if line.startswith("data: ")
            ]
        assert [one.get("state") for one in heard][-1] == "delivered"


def _until(lines: Any, word: str) -> list[str]:
    found = []
    for line in lines:
        found.append(line)
        if word in line:
            break
    return found


def test_metafields_stand_beside_the_member() -> None:
    """The seven that the platform writes for the theme."""
    with running() as client:
        member_id = client.act("join", tier_id=GOLD, first_name="Ada")["customer_id"]
        found = client.read(f"members/{member_id}")
        assert found["metafields"] == {
            "balance": "10.00", "next_payment": "2026-04-01", "referrals": "0", "segment_id": GOLD,
            "payment_amount": "25", "payment_amount_currency": "USD", "credits_earned": "10.00",
        }  # fmt: skip
        assert found["first_name"] == "Ada"
        assert [one["customer_id"] for one in client.read("members", search="ada")["members"]] == [member_id]


def test_unknown_names_and_positions_are_refused() -> None:
    """A switch, a fault, a habit or an act that does not exist changes nothing."""
    with running() as client:
        client.act("switches", status=404, no_such="x")
        client.act("switches", status=409, data_shape="round")
        client.act("switches", status=409, retry_schedule="soon")
        client.act("faults", status=404, no_such=0.1)
        client.act("faults", status=409, drop=2)
        client.act("habits", status=404, no_such=1)
        client.act("trigger/customer.invented", status=404)
        assert client.http.post("/_sim/join", content=b"{").status_code == 400
        assert client.http.post("/_sim/join", content=b"[]").status_code == 400
        assert client.http.get("/_sim/state", headers={"Host": "evil.example.com"}).status_code == 400


def test_a_reset_begins_anew() -> None:
    """The same seed again is the same history; subscriptions are gone."""
    with running(seed=5) as client:
        first = client.act("join", tier_id=GOLD)
        client.subscribe("customer.cancelled")
        client.act("reset", seed=5)
        again = client.act("join", tier_id=GOLD)
        assert first["events"] == again["events"]
        assert client.read("state")["subscriptions"] == []


@pytest.mark.parametrize("name", player.names())
def test_scenarios_play(name: str) -> None:
    """Each scenario plays to its end over HTTP, and what it promises has happened."""
    receiver = Receiver()
    with running(receiver, api_patience=0.01) as client:
        client.subscribe(*TOPICS)
        with player.over_http(str(client.http.base_url)) as (post, tiers):
            played = list(player.play(player.load(name), post, tiers))
        assert played[-1].reply["drained"]
        promised = {
            "joining": {
                "customer.joined.paid_tier",
                "customer.joined.free_tier",
                "customer.joined.free_trial",
                "customer.joined.lifetime_tier",
            },
            "dunning_lost": {"customer.payment_failed", "customer.cancelled"},
            "dunning_recovered": {
                "customer_billing.attempt.failed",
                "customer.payment_methods.updated",
                "customer.payment_succeeded",
            },
            "cancelling": {"customer.pending_cancellation", "customer.cancelled"},
            "month": set(TOPICS) - {"customer.credits.expired"},
            "monthly_credit_drop": {"customer.credits.updated", "customer.credits.expired"},
            "bad_day": {"customer.ordered"},
        }[name]
        sent = {one.topic for one in client.sim.deliveries.records.values()}
        assert promised <= sent


def test_a_scenario_with_an_unknown_step_is_refused() -> None:
    """A misspelt step is found before anything is played."""
    with pytest.raises(RefusedError):
        player.read("mine", {"steps": [{"jion": {}}]})
    with pytest.raises(NotThereError):
        player.load("no_such")


def test_v1_answers_as_documented() -> None:
    """All 13 endpoints of v1: its envelope, its bad keys, its credits in the URL, its ledger without an envelope."""
    with running(members=3, switches={"tiers": "disabled"}) as client:
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


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`relay sim` triggers, advances and plays in a simulator that runs, and says so when there is none."""
    from relay_cli.main import main

    with running() as client:
        url = str(client.http.base_url)
        assert main(["sim", "trigger", "customer.joined.free_trial", "--url", url]) == 0
        assert main(["sim", "advance", "--days", "1", "--url", url]) == 0
        assert main(["sim", "play", "joining", "--url", url]) == 0
        told = capsys.readouterr().out
        assert "customer.joined.free_trial" in told
        assert "settle" in told
        assert main(["sim", "advance", "--days", "999", "--url", url]) == 1
        assert "relay: " in capsys.readouterr().err
    assert main(["sim", "play", "list"]) == 0
    assert "dunning_lost" in capsys.readouterr().out
    assert main(["sim", "play", "no_such", "--url", url]) == 1
    assert main(["sim", "advance", "--days", "1", "--url", "http://127.0.0.1:1"]) == 1
    assert main(["sim", "serve", "--fault", "drop=often"]) == 1
    assert main(["sim", "serve", "--start", "soon"]) == 1
    with pytest.raises(SystemExit):
        main(["sim", "dance"])
