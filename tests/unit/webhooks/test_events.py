"""Every documented event is read, in every variation that the documentation leaves open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from inveterate.webhooks import (
    ALIASES,
    TOPICS,
    BillingAttemptFailed,
    Ordered,
    UnknownEvent,
    UnreadableEventError,
    model_for,
    parse,
)

from tests.support.port_fakes import ROOT, sample

MEMBER_PATHS = {
    ("payload", "customerId"),
    ("payload", "customer", "id"),
    ("payload", "newData", "customerId"),
    ("payload", "detail", "cancelRequest", "customerId"),
}
ESSENTIAL = {("metadata",), ("metadata", "topic"), ("payload",)}


def paths(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Walk all keys of an object, at any depth."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*path, key)
            yield from paths(value, (*path, key))


def place(content: Any, path: tuple[str, ...]) -> Any:
    for step in path[:-1]:
        content = content[step]
    return content


CASES = [
    pytest.param(topic, path, id=f"{topic}:{'.'.join(path)}")
    for topic in TOPICS
    for path in paths(sample(topic))
    if path not in ESSENTIAL
]


def has_member(content: dict[str, Any]) -> bool:
    found = []
    for path in MEMBER_PATHS:
        try:
            found.append(place(content, path)[path[-1]])
        except (KeyError, TypeError):
            continue
    return any(isinstance(value, int | str) for value in found)


def test_a_sample_for_every_topic() -> None:
    """The samples are the 15 topics, no more and no less."""
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_sample_parses_without_drift(topic: str) -> None:
    """A documented sample is read whole: no field is left out."""
    event = parse(json.dumps(sample(topic)))
    assert type(event) is model_for(topic)
    assert (event.drift, event.metadata.topic, event.occurred_at is None) == ((), topic, False)


@pytest.mark.parametrize(("topic", "path"), CASES)
@pytest.mark.parametrize("variation", ["missing", "null", "object", "unknown"])
def test_any_field_may_vary(topic: str, path: tuple[str, ...], variation: str) -> None:
    """A field that is missing, null, of another type, or has an unknown neighbour loses only itself."""
    content = sample(topic)
    parent = place(content, path)
    match variation:
        case "missing":
            del parent[path[-1]]
        case "null":
            parent[path[-1]] = None
        case "object":
            parent[path[-1]] = {"odd": ["value"]}
        case _:
            parent["someday"] = {"new": 1}
    if has_member(content):
        assert parse(json.dumps(content)).customer_id
    else:
        with pytest.raises(UnreadableEventError, match="no_member"):
            parse(json.dumps(content))


@pytest.mark.parametrize(("alias", "topic"), ALIASES.items())
def test_a_topic_under_its_alias(alias: str, topic: str) -> None:
    """The other documented name of a topic reads as the same topic, and has the same identity."""
    content = sample(topic)
    original = parse(json.dumps(content))
    content["metadata"]["topic"] = alias
    event = parse(json.dumps(content))
    assert (type(event), event.id) == (type(original), original.id)


def test_fields_under_their_aliases() -> None:
    """`triggeredAt` and `lastAttemptAt` are read like the spellings of the examples."""
    content = sample("customer_billing.attempt.failed")
    expected = BillingAttemptFailed.read(json.dumps(content))
    content["metadata"]["triggeredAt"] = content["metadata"].pop("triggerredAt")
    detail = content["payload"]["detail"]
    detail["lastAttemptAt"] = detail.pop("lastAttemptedAt")
    event = BillingAttemptFailed.read(json.dumps(content))
    assert event.metadata.triggered_at == expected.metadata.triggered_at is not None
    assert event.detail.last_attempted_at == expected.detail.last_attempted_at is not None


def test_a_value_that_cannot_be_read_is_named_and_left_out() -> None:
    """`drift` has its path, the rest is read, and the field counts as absent."""
    content = sample("customer_billing.attempt.failed")
    content["payload"]["detail"]["amount"] = "a hundred"
    event = BillingAttemptFailed.read(json.dumps(content))
    assert event.drift == ("payload.detail.amount",)
    assert (event.detail.has("amount"), event.detail.currency) == (False, "USD")


def test_prices_are_exact() -> None:
    """Prices come as text or numbers and are never floats."""
    content = sample("customer.ordered")
    content["payload"]["detail"]["line_items"][0]["price"] = 0.1
    items = Ordered.read(json.dumps(content)).payload.detail
    assert items is not None
    assert items.line_items is not None
    assert (items.subtotal_price, items.line_items[0].price) == (Decimal("629.95"), Decimal("0.1"))


def test_a_topic_of_the_future_is_a_value() -> None:
    """An unknown topic is kept whole."""
    content = sample("customer.cancelled")
    content["metadata"]["topic"] = "customer.from_the_future"
    event = parse(json.dumps(content))
    assert isinstance(event, UnknownEvent)
    assert event.raw == content


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b"[]", "no_envelope"),
        (b'{"payload": {}, "metadata": 3}', "no_envelope"),
        (b'{"payload": {}, "metadata": {}}', "no_topic"),
        (b'{"payload": {}, "metadata": {"topic": "customer.cancelled"}}', "no_member"),
    ],
)
def test_a_body_that_is_not_a_delivery(body: bytes, reason: str) -> None:
    """It is refused with a short reason."""
    with pytest.raises(UnreadableEventError) as refused:
        parse(body)
    assert refused.value.reason == reason


def test_errors_hold_no_values() -> None:
    """No value of a body gets into an error's text."""
    content = deepcopy(sample("customer.cancelled"))
    content["payload"]["customerId"] = "secret@example.com"
    with pytest.raises(UnreadableEventError) as refused:
        parse(json.dumps(content))
    assert "secret" not in str(refused.value) + repr(refused.value)


def test_the_id_is_that_of_the_content() -> None:
    """A redelivery with a changed envelope has the same id; another payload has another id."""
    content = sample("customer.credits.updated")
    first = parse(json.dumps(content)).id
    content["metadata"] |= {"id": "another", "retryCount": 3, "triggerredAt": "2026-01-01T00:00:00Z"}
    content["payload"] = dict(sorted(content["payload"].items()))
    assert parse(json.dumps(content)).id == first
    content["payload"]["newBalance"] = 2
    assert parse(json.dumps(content)).id != first


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1e-99999999999999999999"])
def test_a_number_beyond_all_arithmetic(number: str) -> None:
    """Legal JSON that no decimal can hold: unreadable with a reason, not an arithmetic error."""
    with pytest.raises(UnreadableEventError, match="not_json"):
        parse(f'{{"metadata": {{"topic": "customer.cancelled"}}, "payload": {{"n": {number}}}}}')
