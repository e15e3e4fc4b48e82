"""Event ids: one for every delivery of an event, another for every other event."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inveterate.webhooks import TOPICS, parse
from inveterate.webhooks.identity import DISTINGUISHING, event_id, millis
from relay.ingest.receive import route

from tests.support.port_fakes import NOW, SHOP, sample

pytestmark = pytest.mark.slow

LEAVE_OUT = object()


def identified(content: dict[str, Any]) -> str:
    """Return the id of a delivery, by its bytes; the receiver and the SDK agree on it."""
    body = json.dumps(content).encode()
    queue, delivery = route(SHOP, body, NOW)
    assert queue != "unclaimed", delivery.reason
    assert parse(body).id == delivery.event_id
    return delivery.event_id


def changed(topic: str, **differs: Any) -> dict[str, Any]:
    """Return a topic's sample with other values: `payload__detail__amount=1`; `LEAVE_OUT` removes a field."""
    content = sample(topic)
    for path, value in differs.items():
        *steps, name = path.split("__")
        part = content
        for step in steps:
            part = part.setdefault(step, {})
        if value is LEAVE_OUT:
            part.pop(name, None)
        else:
            part[name] = value
    return content


def text_of(content: dict[str, Any], number: str) -> bytes:
    """Return a delivery with a number as it is written: JSON writers choose among many forms."""
    return json.dumps(content).replace('"NUMBER"', number).encode()


def test_every_topic_but_the_snapshot_has_its_fields() -> None:
    """`DISTINGUISHING` has every topic but `customer.updated`, which is identified by its whole payload."""
    expected = set(TOPICS) - {"customer.updated"}
    differing = sorted(DISTINGUISHING.keys() ^ expected)
    assert DISTINGUISHING.keys() == expected, f"DISTINGUISHING differs by {differing}"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_retry_has_the_same_id(topic: str) -> None:
    """Another delivery id, retry count and `updatedAt`, the keys in another order: the same event."""
    content = sample(topic)
    retry = deepcopy(content)
    retry["metadata"] |= {"id": "another", "retryCount": 3}
    for part in (retry["payload"], retry["payload"].get("newData")):
        if isinstance(part, dict) and "updatedAt" in part:
            part["updatedAt"] = "2025-07-01T00:00:00.000Z"
    retry = {"metadata": retry["metadata"], "payload": dict(reversed(retry["payload"].items()))}
    assert identified(retry) == identified(content)


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic != "customer.updated"])
def test_a_renewed_time_of_triggering_makes_no_other_event(topic: str) -> None:
    """A retry may renew it, so it takes no part where an event has a time of its own."""
    renewed = changed(topic, metadata__triggerredAt="2025-07-01T00:00:00.000Z")
    assert identified(renewed) == identified(sample(topic))


@pytest.mark.parametrize(
    ("topic", "field", "other"),
    [
        *(
            (f"customer.joined.{tier}", "payload__tierId", "ffffffff")
            for tier in ("paid_tier", "free_tier", "free_trial", "lifetime_tier")
        ),
        ("customer.changed_tier", "payload__tierId", "ffffffff"),
        ("customer.changed_tier", "payload__detail__previousTierId", "ffffffff"),
        ("customer.ordered", "payload__detail__subtotal_price", "629.96"),
        ("customer.ordered", "payload__detail__currency", "EUR"),
        ("customer.payment_succeeded", "payload__detail__amount", 101),
        ("customer.payment_succeeded", "payload__detail__currency", "EUR"),
        ("customer.payment_succeeded", "payload__detail__newBillingDate", "2025-07-31T00:00:00.000Z"),
        ("customer.payment_failed", "payload__detail__billingAttempts", 4),
        ("customer_billing.attempt.failed", "payload__detail__billingAttempts", 2),
        ("customer.payment_methods.updated", "payload__detail__paymentMethodId", "gid://shopify/other"),
        ("customer.credits.updated", "payload__newBalance", 2),
        ("customer.credits.updated", "payload__previousBalance", 1),
        ("customer.credits.expired", "payload__newBalance", 1),
        ("customer.credits.expired", "payload__previousBalance", 6),
        ("customer.cancelled", "payload__tierId", "ffffffff"),
        (
            "customer.pending_cancellation",
            "payload__detail__effectiveCancellationDate",
            "2025-07-30T11:00:00Z",
        ),
        ("customer.updated", "payload__newData__email", "other@example.com"),
    ],
)
def test_the_fields_of_a_topic_tell_two_events_apart(topic: str, field: str, other: object) -> None:
    """Of one member and one millisecond; without the field it is a third event."""
    ids = {identified(sample(topic)), identified(changed(topic, **{field: other}))}
    without = {field: None}
    if topic == "customer.pending_cancellation":
        without["payload__detail__cancelRequest__cancelDate"] = None  # the second place for the date
    ids.add(identified(changed(topic, **without)))
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("topic", "field", "other"),
    [
        ("customer.cancelled", "payload__detail__cancellationSource", "CUSTOMER"),
        ("customer.payment_failed", "payload__detail__errorMessage", "another text"),
        ("customer.payment_failed", "payload__customer__email", "other@example.com"),
        ("customer.payment_succeeded", "payload__status", "paid"),
        ("customer.ordered", "payload__detail__line_items", []),
        ("customer.credits.updated", "payload__note", "more"),
        ("customer.cancelled", "payload__somethingNew", 1),
    ],
)
def test_other_fields_do_not(topic: str, field: str, other: object) -> None:
    """What a later delivery words in another way is the same event."""
    assert identified(changed(topic, **{field: other})) == identified(sample(topic))


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic != "customer.updated"])
def test_another_time_is_another_event(topic: str) -> None:
    """By a millisecond: two orders of a minute are two."""
    name = "expiredAt" if topic == "customer.credits.expired" else "createdAt"
    one = identified(changed(topic, **{f"payload__{name}": "2025-05-30T10:40:47.081Z"}))
    assert identified(changed(topic, **{f"payload__{name}": "2025-05-30T10:40:47.082Z"})) != one


@pytest.mark.parametrize(
    "written",
    [
        "2025-05-30T10:40:47.000Z",
        "2025-05-30T10:40:47z",
        "2025-05-30 10:40:47 +00:00",
        "2025-05-30T12:40:47+02:00",
        "2025-05-30T10:40:47",
        "Fri, 30 May 2025 10:40:47 GMT",
        1748601647,
        1748601647000,
        "1748601647",
        "1748601647000",
    ],
)
def test_one_time_in_any_form(written: object) -> None:
    """The platform writes times in more than one way, and a number is one too."""
    expected = identified(changed("customer.cancelled", payload__createdAt="2025-05-30T10:40:47Z"))
    assert identified(changed("customer.cancelled", payload__createdAt=written)) == expected


def test_an_impossible_time_is_taken_as_written() -> None:
    """Year 1, year 9999: what cannot have been then still tells two events apart."""
    times = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2150-01-01", "1900-01-01T00:00:00+14:00"]
    ids = {identified(changed("customer.cancelled", payload__createdAt=time)) for time in times}
    assert len(ids) == len(times)


@pytest.mark.parametrize("written", ["soon", None, [], {}, True, "9" * 70, 10**40, LEAVE_OUT])
def test_without_a_readable_time_the_payload_tells(written: object) -> None:
    """Every word of it counts then, and the time of triggering, which a retry may renew, does not."""
    plain = changed("customer.cancelled", payload__createdAt=written)
    other, renewed = deepcopy(plain), deepcopy(plain)
    other["payload"]["detail"]["cancellationSource"] = "CUSTOMER"
    renewed["metadata"]["triggerredAt"] = "2025-07-01T00:00:00Z"
    renewed["payload"]["updatedAt"] = "2025-07-01T00:00:00Z"
    assert identified(plain) == identified(renewed) != identified(other)


def test_the_second_place_for_a_time_is_the_expiry() -> None:
    """`createdAt` first, then `expiredAt`; one that cannot be read is passed over."""
    created = changed("customer.credits.expired", payload__createdAt="2025-05-30T11:00:00Z")
    assert identified(created) != identified(sample("customer.credits.expired"))
    odd = changed("customer.credits.expired", payload__createdAt="soon")
    assert identified(odd) == identified(sample("customer.credits.expired"))


def test_back_and_forth_makes_three_snapshots() -> None:
    """An e-mail from A to B, back to A and to B again: the third says what the first said, at another time."""
    content = sample("customer.updated")

    def snapshot(new: str, old: str, at: str) -> dict[str, Any]:
        one = deepcopy(content)
        one["payload"]["newData"]["email"], one["payload"]["oldData"]["email"] = new, old
        one["metadata"]["triggerredAt"] = at
        return one

    first = snapshot("b@example.com", "a@example.com", "2025-06-12T12:00:00Z")
    second = snapshot("a@example.com", "b@example.com", "2025-06-12T13:00:00Z")
    third = snapshot("b@example.com", "a@example.com", "2025-06-12T14:00:00Z")
    assert len({identified(first), identified(second), identified(third)}) == 3
    assert identified(first) == identified(
        snapshot("b@example.com", "a@example.com", "2025-06-12T12:00:00.000+00:00")
    )


@pytest.mark.parametrize("name", ["triggeredAt", "triggered_at"])
def test_the_time_of_triggering_under_its_other_names(name: str) -> None:
    """The documentation spells it with two r; a mended spelling is the same time."""
    content = sample("customer.updated")
    content["metadata"][name] = content["metadata"].pop("triggerredAt")
    assert identified(content) == identified(sample("customer.updated"))


@pytest.mark.parametrize("number", ["10", "10.0", "10.00", "1e1", "1E+1", '"10.00"', '" 10 "', '"+10"'])
def test_one_number_in_any_form(number: str) -> None:
    """`10` and `10.0` are one event, also as text."""
    content = changed("customer.credits.updated", payload__newBalance="NUMBER")
    expected = route(SHOP, text_of(content, "10"), NOW)[1].event_id
    assert route(SHOP, text_of(content, number), NOW)[1].event_id == expected


def test_a_number_beyond_floats() -> None:
    """`1e400` and `2e400` are two events, as are numbers that no amount can be."""
    content = changed("customer.credits.updated", payload__newBalance="NUMBER")
    numbers = [
        "1e400",
        "2e400",
        "-1e400",
        "0.1",
        "0.100001",
        "1" * 40,
        "1" * 39 + "2",
        "0",
        "-1",
    ]
    ids = {route(SHOP, text_of(content, number), NOW)[1].event_id for number in numbers}
    assert len(ids) == len(numbers)
    zeros = {route(SHOP, text_of(content, number), NOW)[1].event_id for number in ("0", "-0", "0.00", "0e9")}
    assert len(zeros) == 1


@pytest.mark.parametrize(
    ("topic", "field", "plain", "dusty"),
    [
        ("customer.credits.updated", "payload__newBalance", "0.3", "0.30000000000000004"),
        ("customer.credits.updated", "payload__newBalance", "0", "-2.7755575615628914e-17"),
        ("customer.payment_succeeded", "payload__detail__amount", "0.3", "0.30000000000000004"),
        ("customer.ordered", "payload__detail__subtotal_price", "629.95", '"629.9500001"'),
    ],
)
def test_a_floats_dust_makes_no_other_event(topic: str, field: str, plain: str, dusty: str) -> None:
    """The fields are cleaned as they are for the record: a retry by another writer of JSON is the same event."""
    content = changed(topic, **{field: "NUMBER"})
    ids = {route(SHOP, text_of(content, number), NOW)[1].event_id for number in (plain, dusty)}
    assert len(ids) == 1


def test_the_decimals_of_the_currency_count() -> None:
    """12.345 and 12.346 are two fees in dinars, and one in dollars."""

    def count(currency: str) -> int:
        fees = (
            changed(
                "customer.payment_succeeded", payload__detail__amount=fee, payload__detail__currency=currency
            )
            for fee in (12.345, 12.344)
        )
        return len({identified(fee) for fee in fees})

    assert (count("KWD"), count("kwd "), count("USD")) == (2, 2, 1)


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_tier_id_does_not_hide_the_name(blank: object) -> None:
    """Two joinings of one moment, of tiers that only their names tell apart."""
    ids = {
        identified(
            changed("customer.joined.paid_tier", payload__tierId=blank, payload__detail__tierName=name)
        )
        for name in ("Gold", "Silver")
    }
    assert len(ids) == 2


def test_numbers_of_a_whole_payload_count_by_value() -> None:
    """In a snapshot as well: `102.32` and `102.320` are one, text and number are two."""
    content = changed("customer.updated", payload__newData__revenue="NUMBER")
    ids = [
        route(SHOP, text_of(content, number), NOW)[1].event_id for number in ("102.32", "102.320", '"102.32"')
    ]
    assert (ids[0] == ids[1], ids[0] == ids[2]) == (True, False)


@pytest.mark.parametrize(
    "customer",
    [
        7733540520067,
        "7733540520067",
        "gid://shopify/Customer/7733540520067",
        " 07733540520067 ",
        7733540520067.0,
        "7733540520067.0",
        "7.733540520067e12",
        "7.733540520067e+12",
        "+7733540520067",
        "gid://shopify/Customer/7733540520067?a=1",
        "GID://Shopify/customer/7733540520067",
    ],
)
def test_one_customer_in_any_form(customer: object) -> None:
    """A number, text or a GID; one of another customer is another event."""
    content = changed("customer.cancelled", payload__customerId=customer)
    assert identified(content) == identified(sample("customer.cancelled"))
    assert identified(changed("customer.cancelled", payload__customerId="1")) != identified(content)


def test_topic_and_shop_take_part() -> None:
    """The same payload under another topic or of another shop is another event."""
    content = sample("customer.payment_failed")
    ids = {
        event_id("customer.payment_failed", SHOP, content),
        event_id("customer_billing.attempt.failed", SHOP, content),
        event_id("customer.payment_failed", "other.myshopify.com", content),
    }
    assert len(ids) == 3
    for spelt in (f" {SHOP.upper()} ", f"https://{SHOP}/", f"{SHOP}.", f"http://{SHOP}/admin?x=1"):
        assert event_id("customer.payment_failed", spelt, content) in ids


def test_a_topic_that_is_newer_than_this_package() -> None:
    """It is identified by its whole payload."""
    content = sample("customer.cancelled")
    content["metadata"]["topic"] = "customer.new"
    other = deepcopy(content)
    other["payload"]["detail"]["tierName"] = "FREE"
    assert parse(json.dumps(content)).id == parse(json.dumps(content)).id != parse(json.dumps(other)).id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.sampled_from(TOPICS), JSON, JSON)
def test_any_json_has_an_id(topic: str, payload: object, metadata: object) -> None:
    """Whatever stands where payload and metadata should be: an id, and the same one again."""
    delivery = {"payload": payload, "metadata": metadata}
    assert event_id(topic, SHOP, delivery) == event_id(topic, SHOP, deepcopy(delivery))
    assert len(event_id(topic, SHOP, delivery)) == 32


@settings(deadline=None)
@given(st.sampled_from(sorted({key for topic in TOPICS for key in sample(topic)["payload"]})), JSON)
def test_any_value_in_any_field_has_an_id(name: str, value: object) -> None:
    """One odd value fails nothing."""
    for topic in TOPICS:
        content = sample(topic)
        content["payload"][name] = value
        assert len(event_id(topic, SHOP, content)) == 32


@settings(deadline=None)
@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.timezones())  # noqa: DTZ001 - hypothesis adds the zone
def test_a_time_is_the_same_number_in_every_zone(moment: datetime, zone: Any) -> None:
    """To the millisecond."""
    utc = moment.replace(tzinfo=UTC)
    local = utc.astimezone(zone)
    assert millis(local.isoformat()) == millis(utc.isoformat())


def test_a_decimal_and_a_float_of_one_value_are_one() -> None:
    """For what was read before by a reader with floats."""
    assert event_id("customer.updated", SHOP, {"payload": {"a": 1.5}}) == event_id(
        "customer.updated", SHOP, {"payload": {"a": Decimal("1.50")}}
    )


@pytest.mark.parametrize("field", ["newBalance", "customerId"])
@pytest.mark.parametrize("digit", ["0", "9"])
def test_a_long_text_takes_one_pass(field: str, digit: str) -> None:
    """Nearly a number and nearly an id, as long as a body may be: a pattern that tries again and again ends the receiver."""
    payload = {"createdAt": "2026-01-01T00:00:00Z", field: digit * 100_000 + "x"}
    begin = time.process_time()
    assert event_id("customer.credits.updated", "shop", {"payload": payload})
    assert time.process_time() - begin < 0.05
