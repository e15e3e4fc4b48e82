"""A delivery that says that it is a test is journaled as a probe and does nothing else, and rings no alarm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from relay.ingest.receive import route
from relay.topics import FOLDERS

from tests.support.port_fakes import NOW, SHOP, World, queued, sample
from tests.unit.ingest.consumer_runs import run

TRIALS = [
    {"metadata": {"test": True}},
    {"metadata": {"isTest": "true"}},
    {"metadata": {"is_test": 1}},
    {"metadata": {"livemode": False}},
    {"metadata": {"environment": "sandbox"}},
    {"metadata": {"topic": "test"}},
    {"metadata": {"topic": "webhook.ping"}},
    {"metadata": {"topic": None, "test": True}},
    {"payload": {"test": True}},
    {"test": True},
    {"mode": "TEST"},
    {"testing": "on"},
    {"metadata": {"isTestEvent": True}},
    {"payload": {"sandbox": True}},
    {"live": "off"},
    {"metadata": {"topic": "test.event"}},
    {"metadata": {"topic": "webhook/ping"}},
    {"metadata": {"topic": "TEST_WEBHOOK"}},
    {"metadata": {"topic": "customer.cancelled.test"}},
    {"metadata": {"type": "test"}},
    {"metadata": {"event": "ping"}},
    {"payload": {"type": "TEST"}},
]


@pytest.mark.parametrize("says", TRIALS, ids=json.dumps)
def test_a_delivery_that_says_it_is_a_test(says: dict[str, Any]) -> None:
    """It goes to a topic's queue as a probe: journaled, answered with 202, and never acted on."""
    content = sample("customer.cancelled")
    for name, value in says.items():
        content[name] = {**content[name], **value} if isinstance(value, dict) else value
    queue, delivery = route(SHOP, json.dumps(content).encode(), NOW)
    assert (queue in FOLDERS.values(), delivery.topic, delivery.reason) == (True, "relay.probe", None)


@pytest.mark.parametrize(
    ("headers", "is_test"),
    [
        ({"x-shopify-test": "true"}, True),
        ({"X-Test-Mode": "1"}, True),
        ({"x-environment": "sandbox"}, True),
        ({"x-github-event": "ping"}, True),
        ({"x-shopify-test": "false"}, False),
        ({"x-latest": "true"}, False),
        ({"content-type": "application/json", "user-agent": "test"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_header_that_says_it_is_a_test(headers: dict[str, str] | None, *, is_test: bool) -> None:
    """As Shopify's own test notifications do."""
    body = json.dumps(sample("customer.cancelled")).encode()
    queue, delivery = route(SHOP, body, NOW, headers)
    assert (queue, delivery.topic) == ("cancelled", "relay.test" if is_test else "customer.cancelled")


@pytest.mark.parametrize("wrapped", [{"test": True}, {"type": "ping"}, {"livemode": False}])
def test_what_stands_around_a_delivery_says_it_is_a_test(wrapped: dict[str, Any]) -> None:
    """It holds for the delivery within."""
    body = json.dumps({**wrapped, "data": sample("customer.cancelled")}).encode()
    assert route(SHOP, body, NOW)[1].topic == "relay.probe"


@pytest.mark.parametrize(
    "says",
    [
        {"metadata": {"test": False}},
        {"metadata": {"live": True}},
        {"payload": {"latest": True}},
        {"payload": {"detail": {"test": True}}},
        {"payload": {"mode": "manual"}},
        {"payload": {"sandbox": False}},
    ],
    ids=json.dumps,
)
def test_a_delivery_that_says_it_is_none(says: dict[str, Any]) -> None:
    """An order that was placed as a test says so within its detail, and its member is a member."""
    content = sample("customer.cancelled")
    for name, value in says.items():
        content[name] |= value
    assert route(SHOP, json.dumps(content).encode(), NOW)[1].topic == "customer.cancelled"


@pytest.mark.parametrize("topic", ["customer.shipping", "customer.tested", "customer.latest", "pingpong"])
def test_a_topic_that_has_only_the_letters(topic: str) -> None:
    """`ping` and `test` count as whole words of a name."""
    content = sample("customer.cancelled")
    content["metadata"]["topic"] = topic
    assert route(SHOP, json.dumps(content).encode(), NOW)[1].reason == "unknown_topic"


BARE = [
    {"type": "ping"},
    {"event": "test"},
    {"topic": "webhook.test", "payload": None},
    {"test": True},
    {"ping": 1, "data": {"id": 5}},
    {"payload": {"test": True}},
]


@pytest.mark.parametrize("body", BARE, ids=json.dumps)
def test_a_test_of_the_senders_own_form(body: dict[str, Any]) -> None:
    """Without `metadata` it is no delivery of the platform's, and still a test: journaled as a probe, no record, no letter."""
    text = json.dumps(body).encode()
    queue, delivery = route(SHOP, text, NOW)
    assert (queue, delivery.topic, delivery.reason, delivery.body) == ("updated", "relay.probe", None, text)
    world = World()
    assert run(world, queued(text, event_id=delivery.event_id, topic=delivery.topic)) == []
    (line,) = world.journal.lines
    assert (line["outcome"], world.members.records, world.dead_letters.sent) == ("probe", {}, [])


@pytest.mark.parametrize(
    "body",
    [{}, {"hello": "world"}, {"type": "customer.cancelled"}, {"test": False}, {"metadata": 7, "test": True}],
)
def test_what_says_nothing_waits_in_unclaimed(body: dict[str, Any]) -> None:
    """A person looks at it."""
    queue, delivery = route(SHOP, json.dumps(body).encode(), NOW)
    assert (queue, delivery.reason) == ("unclaimed", "no_envelope")
