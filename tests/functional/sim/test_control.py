"""The simulator's own interface: acts, the truth, what pages are shown, and what they are never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sim.events import TOPICS

from tests.functional.sim.running import KEY, Receiver, running
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
