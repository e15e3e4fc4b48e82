"""Webhook deliveries: retries, switches and injected faults."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from sim.callback_guard import is_local, resolve_callback
from sim.events import TOPICS

from tests.functional.sim.sim_server import HOOK, FakeReceiver, SimClient, running_simulator
from tests.unit.sim.sim_worlds import GOLD

PAID = ["customer.joined.paid_tier", "customer.payment_succeeded", "customer.credits.updated"]


def join(client: SimClient, count: int = 1) -> list[str]:
    return [client.act("join", tier_id=GOLD)["customer_id"] for _ in range(count)]


def test_each_subscriber_gets_its_topics() -> None:
    """Subscribed topics are delivered in order, and listed with status, attempts and latency."""
    receiver = FakeReceiver()
    with running_simulator(receiver) as client:
        client.subscribe(*PAID)
        join(client)
        client.wait_until_idle()
        assert receiver.topics == PAID
        assert all(body["metadata"]["retryCount"] == 0 for body in receiver.bodies)
        shown = client.read("deliveries")["deliveries"][0]
        assert (shown["state"], shown["status"], shown["receipt"]) == ("delivered", 202, "ours-3")
        assert len(shown["attempts"]) == 1


UNHURRIED = {"retry_schedule": "0.4,0.02"}
"""Long enough to advance the clock before the first retry, on a busy machine too."""


@pytest.mark.parametrize(
    ("switches", "ids", "times"),
    [({}, 1, 1), ({"retry_id": "renews", "retry_triggered_at": "renews", **UNHURRIED}, 3, 2)],
)
def test_retries(switches: dict[str, str], ids: int, times: int) -> None:
    """A refused delivery is retried with a higher count; the switches decide whether it keeps its id and time."""
    receiver = FakeReceiver(lambda number, _: 503 if number < 3 else 202)
    with running_simulator(receiver, switches=switches) as client:
        client.subscribe("customer.joined.paid_tier")
        join(client)
        if times > 1:
            client.act("advance", minutes=1)
        client.wait_until_idle()
        metadata = [body["metadata"] for body in receiver.bodies]
        assert [one["retryCount"] for one in metadata] == [0, 1, 2]
        assert len({one["id"] for one in metadata}) == ids
        assert len({one["triggerredAt"] for one in metadata}) >= (2 if times > 1 else 1)
        assert len({json.dumps(body["payload"]) for body in receiver.bodies}) == 1


def test_a_delivery_fails_after_the_last_attempt() -> None:
    """After the last attempt a delivery has failed, and the expected state lists its fields as unheard."""
    receiver = FakeReceiver(
        lambda _number, body: 500 if body["metadata"]["topic"] == "customer.ordered" else 202
    )
    with running_simulator(receiver) as client:
        client.subscribe(*PAID, "customer.ordered")
        member_id = join(client)[0]
        client.act("order", customer_id=member_id, total=50)
        found = client.wait_until_idle()
        assert found["counts"]["failed"] == 1
        assert receiver.topics.count("customer.ordered") == 5
        member = client.read("expected_state")["members"][0]
        assert "last_order_at" in member["unheard"]
        assert "credit_balance" not in member["unheard"]


@pytest.mark.parametrize(
    ("choice", "status", "state"),
    [("200", 202, "failed"), ("any", 500, "delivered"), ("2xx", 204, "delivered")],
)
def test_which_answers_count(choice: str, status: int, state: str) -> None:
    """Accepted statuses are a switch."""
    with running_simulator(FakeReceiver(lambda *_: status), switches={"accepted_statuses": choice}) as client:
        client.subscribe("customer.joined.paid_tier")
        join(client)
        client.wait_until_idle()
        assert client.read("deliveries")["deliveries"][0]["state"] == state


@pytest.mark.parametrize("token_place", ["body", "metadata", "header"])
def test_deliveries_repeat_the_token(token_place: str) -> None:
    """Each delivery repeats the token of the subscription where the switch says."""
    receiver = FakeReceiver()
    with running_simulator(receiver, switches={"subscription_token": token_place}) as client:
        token = client.subscribe("customer.joined.paid_tier")[0]["token"]
        join(client)
        client.wait_until_idle()
        _, headers, content = receiver.received[0]
        body = json.loads(content)
        found = {
            "body": body.get("token"),
            "metadata": body["metadata"].get("token"),
            "header": headers.get("x-inveterate-token"),
        }
        assert found == dict.fromkeys(found) | {token_place: token}


def play_ten_days(receiver: FakeReceiver, **faults: float) -> dict[str, Any]:
    """Play ten days of 20 members, and return the final counts."""
    with running_simulator(receiver, faults=faults) as client:
        client.subscribe(*TOPICS)
        client.act("behaviour", orders=3, profile_updates=1)
        client.act("populate", members=20, over_days=1)
        client.act("advance", days=10)
        return client.wait_until_idle() | {"expected_state": client.read("expected_state")}


def test_duplicates_reordering_and_delays_lose_nothing() -> None:
    """Everything arrives, some of it twice, and some in another order."""
    receiver, plain = FakeReceiver(), FakeReceiver()
    found = play_ten_days(receiver, duplicate=0.2, reorder=0.2, lost_ack=0.1)
    play_ten_days(plain)
    received = [json.dumps(body["payload"], sort_keys=True) for body in receiver.bodies]
    true = [json.dumps(body["payload"], sort_keys=True) for body in plain.bodies]
    assert set(received) == set(true)
    assert len(received) > len(true)
    assert list(dict.fromkeys(received)) != list(dict.fromkeys(true))
    assert found["counts"]["duplicate"] > 0
    assert not any(member["unheard"] for member in found["expected_state"]["members"])


def test_a_burst_is_sent_at_once() -> None:
    """A burst collects deliveries and sends them in parallel, far more than usual."""
    calm, burst = FakeReceiver(), FakeReceiver()
    play_ten_days(calm)
    play_ten_days(burst, burst=0.05)
    assert calm.most_at_once <= 8
    assert burst.most_at_once > 30
    assert len(burst.received) == len(calm.received)


def test_the_same_seed_repeats_the_faults() -> None:
    """The seed alone decides which deliveries are dropped or duplicated."""
    first, second = FakeReceiver(), FakeReceiver()
    one, two = (play_ten_days(each, duplicate=0.1, drop=0.1) for each in (first, second))
    assert one["counts"] == two["counts"]
    assert Counter(json.dumps(b, sort_keys=True) for b in first.bodies) == Counter(
        json.dumps(b, sort_keys=True) for b in second.bodies
    )


def test_a_dropped_delivery_is_reported() -> None:
    """A dropped delivery is never sent, and the expected state lists its fields as unheard."""
    receiver = FakeReceiver()
    found = play_ten_days(receiver, drop=0.3)
    assert found["counts"]["dropped"] > 0
    assert len(receiver.received) == found["counts"]["delivered"]
    assert any(member["unheard"] for member in found["expected_state"]["members"])


def test_injected_requests_precede_the_delivery() -> None:
    """Invalid JSON, another shop, a wrong key, an unknown topic: each is sent before the delivery itself."""
    receiver = FakeReceiver()
    found = play_ten_days(receiver, tamper=0.2, wrong_key=0.2, unknown_topic=0.2)
    kinds: Counter[str] = Counter()
    for path, _, content in receiver.received:
        try:
            metadata = json.loads(content)["metadata"]
        except ValueError:
            kinds["no_json"] += 1
            continue
        if not HOOK.endswith(path):
            kinds["wrong_key"] += 1
        elif metadata["shopDomain"] != "relay-demo.myshopify.com":
            kinds["other_shop"] += 1
        else:
            kinds["true" if metadata["topic"] in TOPICS else "unknown_topic"] += 1
    counts = found["counts"]
    assert kinds["no_json"] + kinds["other_shop"] == counts["tamper"] > 0
    assert kinds["no_json"]
    assert kinds["other_shop"]
    assert (kinds["wrong_key"], kinds["unknown_topic"]) == (counts["wrong_key"], counts["unknown_topic"])
    assert kinds["true"] == counts["delivered"]


def test_v1_subscribers_get_everything_under_the_old_names() -> None:
    """One callback for all events, v1's names, and the token in the body."""
    receiver = FakeReceiver()
    with running_simulator(receiver, switches={"cancellation_policy": "immediate"}) as client:
        made = client.api("POST", "/webhooks", json={"callbackUrl": HOOK, "name": "old"}).json()["data"][
            "subscriber"
        ]
        member_id = join(client)[0]
        client.act("cancel", customer_id=member_id)
        client.act("join", tier_id=GOLD, customer_id=member_id)
        client.wait_until_idle()
        assert receiver.topics == [
            "customer.created", "customer.payment_succeeded", "customer.credits.updated",
            "customer.cancellation_requested", "customer.confirmed_cancellation", "customer.cancelled",
            "customer.resubscribed", "customer.payment_succeeded", "customer.credits.updated",
        ]  # fmt: skip
        assert {body["token"] for body in receiver.bodies} == {made["token"]}


def test_only_this_machine_is_called() -> None:
    """A callback URL on another machine is refused; *.localhost is this machine."""
    assert is_local("http://abc.execute-api.localhost:4566/webhooks/k")
    assert resolve_callback("http://abc.localhost:4566/k") == (
        "http://127.0.0.1:4566/k",
        "abc.localhost:4566",
    )
    assert not any(
        map(
            is_local,
            ("https://example.com", "ftp://localhost/x", "http://localhost.example.com", "http://[x", ""),
        )
    )


def test_a_changed_retry_renews_what_a_retry_renews() -> None:
    """A received event comes again with retryCount 1, a later `updatedAt` and time of triggering, and the same id."""
    receiver = FakeReceiver()
    with running_simulator(receiver, faults={"changed_retry": 1.0}) as client:
        client.subscribe("customer.joined.paid_tier")
        join(client)
        client.wait_until_idle()
        first, again = receiver.bodies
        assert [body["metadata"]["retryCount"] for body in (first, again)] == [0, 1]
        assert first["metadata"]["id"] == again["metadata"]["id"]
        assert first["metadata"]["triggerredAt"] < again["metadata"]["triggerredAt"]
        assert first["payload"]["updatedAt"] < again["payload"]["updatedAt"]
        assert first["payload"] | {"updatedAt": ""} == again["payload"] | {"updatedAt": ""}
        kinds = [one["kind"] for one in client.read("requests")["requests"]]
        assert kinds == ["delivery", "copy"]


def test_an_event_whose_clock_is_wrong_is_not_retried_with_another_time() -> None:
    """A renewed time of triggering would be the only right time that it has."""
    receiver = FakeReceiver()
    with running_simulator(receiver, faults={"changed_retry": 1.0, "wrong_clock": 1.0}) as client:
        client.subscribe("customer.payment_succeeded")
        join(client)
        client.wait_until_idle()
        assert len(receiver.bodies) == 1


def test_a_member_can_be_anonymised_by_command() -> None:
    """The snapshot says so, the API shows it, and the truth lists the member as erased."""
    receiver = FakeReceiver()
    with running_simulator(receiver) as client:
        client.subscribe("customer.updated")
        [member] = join(client)
        client.act("anonymise", customer_id=member)
        client.wait_until_idle()
        assert receiver.bodies[-1]["payload"]["newData"]["anonymized"] is True
        shown = client.api("GET", f"/v2.0/admin/members/{member}").json()["data"]
        assert '"anonymized": true' in json.dumps(shown)
        assert "@" not in json.dumps(shown)
        assert client.read("expected_state")["members"][0]["erased"] is True
