"""The oddities of a body's shape and words: unknown fields and words, two people, hostile texts, vast lists, other tiers."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.judge import bodies, values
from tests.judge.history import DAY, HOUR, Event
from tests.judge.one_body import Oddity


def right_spelling(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["metadata"]["triggeredAt"] = body["metadata"].pop("triggerredAt")
    return body


def more_fields(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["payload"]["loyaltyScore"] = {"points": [1, 2, 3], "of": None}
    body["metadata"]["region"] = "eu"
    return body


def alias(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic != bodies.METHOD:
        return None
    body["metadata"]["topic"] = bodies.METHOD_ALIAS
    return body


def metadata(**fields: Any) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
        body["metadata"] |= fields
        return body

    return change


def open_word(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic == bodies.CANCELLED:
        body["payload"]["detail"]["cancellationSource"] = "TELEPATHY"
    elif event.topic == bodies.CREDITS:
        body["payload"]["reason"] = "GIFT_OF_THE_DAY"
    elif event.topic == bodies.UPDATED:
        body["payload"]["newData"]["status"] = "HIBERNATING"
    else:
        return None
    return body


def other_person(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """The `customer` of a payment topic is another person than the member that the payload names."""
    person = body["payload"].get("customer")
    if not isinstance(person, dict) or "customerId" not in body["payload"]:
        return None
    person |= {"id": f"{int(event.member) + 5}", "email": "another-person@people.example"}
    return body


_MAIN: dict[str, tuple[str, str, list[Any]]] = {
    bodies.PENDING: ("detail", "effectiveCancellationDate", ["soon", "", 0]),
    bodies.CREDITS: ("", "newBalance", ["many", "", [7]]),
    bodies.ATTEMPT: ("detail", "billingAttempts", ["third", "", 0]),
    bodies.FAILED: ("detail", "billingAttempts", ["third", "", 0]),
    bodies.SUCCEEDED: ("detail", "amount", ["lots", "", {}]),
    bodies.CANCELLED: ("detail", "cancellationSource", ["", 7, []]),
}


def main_unreadable(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """The field that the topic is about cannot be read: the event still says what its name says."""
    if event.topic not in _MAIN:
        return None
    place, key, values_ = _MAIN[event.topic]
    (body["payload"][place] if place else body["payload"])[key] = rng.choice(values_)
    return body


def unknown_type(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    detail = body["payload"].get("detail", {})
    if event.topic in bodies.JOINED:
        detail["entryType"] = "TELEPORT"
    elif event.topic == bodies.METHOD:
        detail["paymentMethodType"] = "CustomerBarter"
    elif event.topic == bodies.PENDING:
        detail["cancellationSource"] = detail["cancelRequest"]["cancellationSource"] = "TELEPATHY"
    elif event.topic == bodies.SUCCEEDED:
        body["payload"]["status"] = "SETTLED_TWICE"
    else:
        return None
    return body


def pair_broken(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An amount without its currency, or a currency without its amount."""
    if event.topic != bodies.SUCCEEDED:
        return None
    del body["payload"]["detail"][rng.choice(["amount", "currency"])]
    return body


def malformed_address(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    place = body["payload"]
    if event.topic == bodies.UPDATED:
        place = place["newData"]
    elif event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        place = place.get("customer", {})
    if not place.get("email"):
        return None
    place["email"] = rng.choice(["no address", "@people.example", "ada@", "ada people@x.example"])
    return body


def hostile_name(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        return None
    body["payload"]["lastName"] = "<!channel> https://evil.example/login " + "x" * 200
    return body


def attempts(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic not in {bodies.ATTEMPT, bodies.FAILED}:
        return None
    body["payload"]["detail"]["billingAttempts"] = rng.choice([-5_000_000, 10**12, 2.5])
    return body


def hostile_text(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """Characters that a queue refuses, or that no text may have."""
    if event.topic not in {bodies.ATTEMPT, bodies.FAILED}:
        return None
    body["payload"]["detail"]["errorMessage"] = rng.choice(
        ["declined\uffff", "declined \ud800", "declined\x00"]
    )
    return body


def long_texts(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An address that no mail system takes, and a name of characters that people see as one and computers as five."""
    if event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        return None
    body["payload"] |= {
        "email": "a" * 4_000 + "@people.example",
        "firstName": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 60,
    }
    return body


def vast_address(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An address that no database takes as a key, and that is larger than a record may be."""
    if event.topic != bodies.UPDATED or body["payload"]["newData"].get("email") is None:
        return None
    body["payload"]["newData"]["email"] = "a" * 420_000 + "@people.example"
    return body


def deep(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    """A field of 200 levels: documented events have five."""
    nested: Any = 1
    for _ in range(200):
        nested = rng.choice([[nested], {"of": nested}])
    body["payload"]["context"] = nested
    return body


def bad_items(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic != bodies.ORDERED:
        return None
    body["payload"]["detail"]["line_items"] = [1] * rng.choice([30, 500, 100_000])
    return body


def shop_spelt(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    """The shop by another spelling of its domain."""
    shop = body["metadata"]["shopDomain"]
    others = (f"https://{shop}/", f"{shop}.", shop.upper(), shop.partition(".")[0])
    body["metadata"]["shopDomain"] = rng.choice(others)
    return body


def delivery_id(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["metadata"]["id"] = rng.choice(["'; DROP\n\"<b>", "x" * 3_000, ["a"], 7, None])
    return body


def no_payload(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["payload"] = {}
    return body


def other_tier(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """The end of another tier than the member's."""
    if event.topic != bodies.CANCELLED:
        return None
    body["payload"]["tierId"] = "77777777"
    return body


def trial_over(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """A trial ends a minute after it began, and no event says what came of it."""
    if event.topic != bodies.JOINED_TRIAL:
        return None
    body["payload"]["freeTrialEnd"] = values.iso(event.happened + 60_000)
    return body


def credit_expires(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic != bodies.CREDITS:
        return None
    ends = event.happened + rng.choice([-1, 1, 30, 400]) * DAY
    body["payload"]["expirationDate"] = values.iso(ends - ends % HOUR)
    return body
