"""The control API: commands, the expected state, and the secrets that it never returns."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sim.events import TOPICS

from tests.functional.sim.sim_server import KEY, FakeReceiver, running_simulator
from tests.unit.sim.sim_worlds import GOLD


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_can_be_triggered(topic: str) -> None:
    """A trigger makes the event happen: it is delivered, and the state has changed."""
    receiver = FakeReceiver()
    with running_simulator(receiver) as client:
        client.subscribe(topic)
        client.act("join", tier_id=GOLD)
        reply = client.act(f"trigger/{topic}")
        client.wait_until_idle()
        assert topic in [event["topic"] for event in reply["events"]]
        assert topic in receiver.topics


def test_the_bare_address_leads_to_the_console() -> None:
    """The address without a path redirects to the console."""
    with running_simulator() as client:
        reply = client.http.get("/", follow_redirects=True)
        assert (reply.status_code, reply.url.path) == (200, "/console")


def test_the_clock_advances_and_never_too_far() -> None:
    """Advance returns the number of events; past the real time it answers 409, to an invalid span 400."""
    with running_simulator() as client:
        client.act("join", tier_id=GOLD)
        found = client.act("advance", days=31, hours=1)
        assert (found["caused"], found["now"]) == (2, "2026-04-01T13:00:01.000Z")
        client.act("advance", status=409, days=500)
        assert client.read("state")["now"] == found["now"]
        for slip in ({"days": -1}, {"weeks": 1}, {}, {"days": "soon"}):
            client.act("advance", status=400, **slip)


def test_a_failing_payment_from_the_console() -> None:
    """Fail a payment, advance three days: the timeline, the tags, and the expected state."""
    with running_simulator() as client:
        member_id = client.act("join", tier_id=GOLD)["customer_id"]
        client.act("fail_payment", customer_id=member_id)
        assert "inveterate-billing-failure" in client.read(f"members/{member_id}")["tags"]
        fields = client.read("expected_state")["members"][0]["fields"]
        assert (fields["status"], fields["payment_status"], fields["failed_attempts"]) == (
            "past_due",
            "past_due",
            1,
        )
        client.act("advance", days=3)
        found = client.read("expected_state")["members"][0]
        assert (found["fields"]["status"], found["fields"]["cancel_type"]) == ("cancelled", "involuntary")
        assert found["fields"]["payment_status"] == "none"
        assert found["platform"]["status"] == "CANCELLED"
        client.act("fail_payment", status=409, customer_id=member_id)
        client.act("fail_payment", status=404, customer_id="unknown")


def test_the_expected_state_comes_from_events() -> None:
    """A member without events is not in it; for a trial it has only the fields of its events."""
    with running_simulator(members=3) as client:
        assert client.read("expected_state")["members"] == []
        client.act("join", tier_id="c669d6e7", email=" Ada@Example.com ")
        fields = client.read("expected_state")["members"][0]["fields"]
        assert fields["status"] == "trialing"
        assert "email" not in fields
        client.act("advance", days=15)
        fields = client.read("expected_state")["members"][0]["fields"]
        assert (fields["email"], fields["status"], fields["fee_amount"]) == (
            "ada@example.com",
            "active",
            "9.99",
        )
        assert (fields["credit_balance"], fields["next_payment_on"]) == ("5", "2026-04-15")


def test_the_key_and_callbacks_are_shown_nowhere() -> None:
    """Neither the API key, nor a callback URL's key, nor a token is in anything that a page can read."""
    with running_simulator(members=2, switches={"subscription_token": "body"}) as client:
        token = client.subscribe("customer.pending_cancellation")[0]["token"]
        member_id = client.act("join", tier_id=GOLD)["customer_id"]
        client.act("cancel", customer_id=member_id)
        client.wait_until_idle()
        shown = [
            client.http.get(f"/_sim/{path}").text
            for path in (
                "state",
                "members",
                "tiers",
                "expected_state",
                "switches",
                "faults",
                "behaviour",
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
    """The stream sends each change of a delivery."""
    with running_simulator() as client:
        client.subscribe("customer.joined.paid_tier")
        with client.http.stream("GET", "/_sim/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: state"
            assert json.loads(next(lines).removeprefix("data: "))["members"] == 0
            client.act("join", tier_id=GOLD)
            received = [
                json.loads(line.removeprefix("data: "))
                for line in _until(lines, '"delivered"')
                if line.startswith("data: ")
            ]
        assert [one.get("state") for one in received][-1] == "delivered"


def _until(lines: Any, word: str) -> list[str]:
    found = []
    for line in lines:
        found.append(line)
        if word in line:
            break
    return found


def test_a_member_has_metafields() -> None:
    """The seven metafields that the platform writes for the theme."""
    with running_simulator() as client:
        member_id = client.act("join", tier_id=GOLD, first_name="Ada")["customer_id"]
        found = client.read(f"members/{member_id}")
        assert found["metafields"] == {
            "balance": "10.00", "next_payment": "2026-04-01", "referrals": "0", "segment_id": GOLD,
            "payment_amount": "25", "payment_amount_currency": "USD", "credits_earned": "10.00",
        }  # fmt: skip
        assert found["first_name"] == "Ada"
        assert [one["customer_id"] for one in client.read("members", search="ada")["members"]] == [member_id]


def test_unknown_names_and_positions_are_refused() -> None:
    """A switch, fault, rate or command that does not exist changes nothing."""
    with running_simulator() as client:
        client.act("switches", status=404, no_such="x")
        client.act("switches", status=409, data_shape="round")
        client.act("switches", status=409, retry_schedule="soon")
        client.act("faults", status=404, no_such=0.1)
        client.act("faults", status=409, drop=2)
        client.act("behaviour", status=404, no_such=1)
        client.act("trigger/customer.invented", status=404)
        assert client.http.post("/_sim/join", content=b"{").status_code == 400
        assert client.http.post("/_sim/join", content=b"[]").status_code == 400
        assert client.http.get("/_sim/state", headers={"Host": "evil.example.com"}).status_code == 400


def test_a_reset_starts_a_new_history() -> None:
    """The same seed again is the same history; subscriptions are deleted."""
    with running_simulator(seed=5) as client:
        first = client.act("join", tier_id=GOLD)
        client.subscribe("customer.cancelled")
        client.act("reset", seed=5)
        again = client.act("join", tier_id=GOLD)
        assert first["events"] == again["events"]
        assert client.read("state")["subscriptions"] == []


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`relay sim` triggers, advances and plays in a simulator that runs, and reports when there is none."""
    from relay_cli.main import main

    with running_simulator() as client:
        url = str(client.http.base_url)
        assert main(["sim", "trigger", "customer.joined.free_trial", "--url", url]) == 0
        assert main(["sim", "advance", "--days", "1", "--url", url]) == 0
        assert main(["sim", "play", "joining", "--url", url]) == 0
        out = capsys.readouterr().out
        assert "customer.joined.free_trial" in out
        assert "wait_until_idle" in out
        assert main(["sim", "advance", "--days", "999", "--url", url]) == 1
        assert "relay: " in capsys.readouterr().err
    assert main(["sim", "play", "list"]) == 0
    assert "dunning_lost" in capsys.readouterr().out
    assert main(["sim", "play", "no_such", "--url", url]) == 1
    assert main(["sim", "advance", "--days", "1", "--url", "http://127.0.0.1:1"]) == 1
    assert main(["sim", "serve", "--fault", "drop=often"]) == 2
    assert main(["sim", "serve", "--start", "soon"]) == 2
    assert main(["sim", "dance"]) == 2
