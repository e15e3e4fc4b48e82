"""Webhooks reach their receivers: with retries, in each reading, and with everything that can go wrong."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from sim.events import TOPICS
from sim.reach import is_local, reachable

from tests.functional.sim.running import HOOK, Client, Receiver, running
from tests.unit.sim.history import GOLD

PAID = ["customer.joined.paid_tier", "customer.payment_succeeded", "customer.credits.updated"]


def join(client: Client, count: int = 1) -> list[str]:
    return [client.act("join", tier_id=GOLD)["customer_id"] for _ in range(count)]


def test_each_subscriber_gets_its_topics() -> None:
    """What is subscribed is delivered, in order, and shown with status, attempts and latency."""
    receiver = Receiver()
    with running(receiver) as client:
        client.subscribe(*PAID)
        join(client)
        client.through()
        assert receiver.topics == PAID
        assert all(body["metadata"]["retryCount"] == 0 for body in receiver.bodies)
        shown = client.read("deliveries")["deliveries"][0]
        assert (shown["state"], shown["status"], shown["receipt"]) == ("delivered", 202, "ours-3")
        assert len(shown["attempts"]) == 1


UNHURRIED = {"retry_schedule": "0.4,0.02"}
"""So late that the clock can be turned before the first retry, on a busy machine too."""


@pytest.mark.parametrize(
    ("switches", "ids", "times"),
    [({}, 1, 1), ({"retry_id": "renews", "retry_triggered_at": "renews", **UNHURRIED}, 3, 2)],
)
def test_retries(switches: dict[str, str], ids: int, times: int) -> None:
    """A refused delivery comes again, its count raised, its id and time kept or renewed as the switches say."""
    receiver = Receiver(lambda number, _: 503 if number < 3 else 202)
    with running(receiver, switches=switches) as client:
        client.subscribe("customer.joined.paid_tier")
        join(client)
        if times > 1:
            client.act("advance", minutes=1)
        client.through()
        metadata = [body["metadata"] for body in receiver.bodies]
        assert [one["retryCount"] for one in metadata] == [0, 1, 2]
        assert len({one["id"] for one in metadata}) == ids
        assert len({one["triggerredAt"] for one in metadata}) >= (2 if times > 1 else 1)
        assert len({json.dumps(body["payload"]) for body in receiver.bodies}) == 1


def test_what_nobody_takes_is_given_up() -> None:
    """After the last attempt a delivery has failed, and the truth names what nobody heard."""
    receiver = Receiver(lambda _number, body: 500 if body["metadata"]["topic"] == "customer.ordered" else 202)
    with running(receiver) as client:
        client.subscribe(*PAID, "customer.ordered")
        member_id = join(client)[0]
        client.act("order", customer_id=member_id, total=50)
        found = client.through()
        assert found["counts"]["failed"] == 1
        assert receiver.topics.count("customer.ordered") == 5
        truth = client.read("truth")["members"][0]
        assert "last_order_at" in truth["unheard"]
        assert "credit_balance" not in truth["unheard"]


@pytest.mark.parametrize(
    ("reading", "status", "state"),
    [("200", 202, "failed"), ("any", 500, "delivered"), ("2xx", 204, "delivered")],
)
def test_which_answers_count(reading: str, status: int, state: str) -> None:
    """Accepted statuses are a switch."""
    with running(Receiver(lambda *_: status), switches={"accepted_statuses": reading}) as client:
        client.subscribe("customer.joined.paid_tier")
        join(client)
        client.through()
        assert client.read("deliveries")["deliveries"][0]["state"] == state


@pytest.mark.parametrize("place", ["body", "metadata", "header"])
def test_deliveries_repeat_the_token(place: str) -> None:
    """The token that creating returned comes with each delivery, where the switch says."""
    receiver = Receiver()
    with running(receiver, switches={"subscription_token": place}) as client:
        token = client.subscribe("customer.joined.paid_tier")[0]["token"]
        join(client)
        client.through()
        _, headers, content = receiver.got[0]
        body = json.loads(content)
        found = {
            "body": body.get("token"),
            "metadata": body["metadata"].get("token"),
            "header": headers.get("x-inveterate-token"),
        }
        assert found == dict.fromkeys(found) | {place: token}


def lively(receiver: Receiver, **faults: float) -> dict[str, Any]:
    """Play ten days of 20 members, and return the final counts."""
    with running(receiver, faults=faults) as client:
        client.subscribe(*TOPICS)
        client.act("habits", orders=3, profile_updates=1)
        client.act("populate", members=20, over_days=1)
        client.act("advance", days=10)
        return client.through() | {"truth": client.read("truth")}


def test_duplicates_reordering_and_delays_lose_nothing() -> None:
    """Everything arrives, some of it twice, and some in another order."""
    receiver, plain = Receiver(), Receiver()
    found = lively(receiver, duplicate=0.2, reorder=0.2, lost_ack=0.1)
    lively(plain)
    said = [json.dumps(body["payload"], sort_keys=True) for body in receiver.bodies]
    true = [json.dumps(body["payload"], sort_keys=True) for body in plain.bodies]
    assert set(said) == set(true)
    assert len(said) > len(true)
    assert list(dict.fromkeys(said)) != list(dict.fromkeys(true))
    assert found["counts"]["duplicate"] > 0
    assert not any(member["unheard"] for member in found["truth"]["members"])


def test_a_burst_comes_all_at_once() -> None:
    """A burst gathers deliveries and makes them all at one time, far more than usual."""
    calm, burst = Receiver(), Receiver()
    lively(calm)
    lively(burst, burst=0.05)
    assert calm.most_at_once <= 8
    assert burst.most_at_once > 30
    assert len(burst.got) == len(calm.got)


def test_the_same_seed_breaks_the_same_things() -> None:
    """Which deliveries are dropped or doubled depends on the seed alone."""
    first, second = Receiver(), Receiver()
    one, two = (lively(each, duplicate=0.1, drop=0.1) for each in (first, second))
    assert one["counts"] == two["counts"]
    assert Counter(json.dumps(b, sort_keys=True) for b in first.bodies) == Counter(
        json.dumps(b, sort_keys=True) for b in second.bodies
    )


def test_what_is_dropped_is_named() -> None:
    """A dropped delivery is never made, and the truth says which facts hang on it."""
    receiver = Receiver()
    found = lively(receiver, drop=0.3)
    assert found["counts"]["dropped"] > 0
    assert len(receiver.got) == found["counts"]["delivered"]
    assert any(member["unheard"] for member in found["truth"]["members"])


def test_forgeries_come_before_the_true_delivery() -> None:
    """No JSON, another shop, a wrong key, an unknown topic: each beside the true delivery, which still comes."""
    receiver = Receiver()
    found = lively(receiver, tamper=0.2, wrong_key=0.2, unknown_topic=0.2)
    kinds: Counter[str] = Counter()
    for path, _, content in receiver.got:
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
    receiver = Receiver()
    with running(receiver, switches={"cancellation_policy": "immediate"}) as client:
        made = client.api("POST", "/webhooks", json={"callbackUrl": HOOK, "name": "old"}).json()["data"][
            "subscriber"
        ]
        member_id = join(client)[0]
        client.act("cancel", customer_id=member_id)
        client.act("join", tier_id=GOLD, customer_id=member_id)
        client.through()
        assert receiver.topics == [
            "customer.created", "customer.payment_succeeded", "customer.credits.updated",
            "customer.cancellation_requested", "customer.confirmed_cancellation", "customer.cancelled",
            "customer.resubscribed", "customer.payment_succeeded", "customer.credits.updated",
        ]  # fmt: skip
        assert {body["token"] for body in receiver.bodies} == {made["token"]}


def test_only_this_machine_is_called() -> None:
    """A callback elsewhere is refused, and *.localhost is this machine under that name."""
    assert is_local("http://abc.execute-api.localhost:4566/webhooks/k")
    assert reachable("http://abc.localhost:4566/k") == ("http://127.0.0.1:4566/k", "abc.localhost:4566")
    assert not any(
        map(
            is_local,
            ("https://example.com", "ftp://localhost/x", "http://localhost.example.com", "http://[x", ""),
        )
    )
