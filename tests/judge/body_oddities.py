"""The oddities of one body: clocks, dates, currencies, amounts, ids, missing and null fields, and its shape.

An event has one oddity of its body at most, so that a shrunk history shows one cause.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from random import Random
from typing import Any, TypeAlias

from tests.judge import bodies, values
from tests.judge.history import DAY, HOUR, Event
from tests.judge.privacy_oddities import erasure_elsewhere, erasure_retried, secret_keys

Oddity: TypeAlias = "Callable[[Event, Random, bodies.Body], bodies.Body | None]"


def body_of(event: Event) -> bodies.Body:
    """Return the event's first body."""
    found: bodies.Body = json.loads(event.deliveries[0].body)
    return found


def with_body(event: Event, body: bodies.Body, oddity: str) -> Event:
    """Return the event with another body in each of its deliveries."""
    posts = tuple(replace(d, body=bodies.dump(body)) for d in event.deliveries)
    return replace(event, deliveries=posts, oddities=event.oddities | {oddity})


def payload_time(body: bodies.Body) -> str | None:
    return next((name for name in ("createdAt", "expiredAt") if name in body["payload"]), None)


# --- clocks -----------------------------------------------------------------------------------------------------


def _clock(written: Callable[[Event, Random], Any]) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        name = payload_time(body)
        if name is None:
            return None
        body["payload"][name] = written(event, rng)
        return body

    return change


def _with_offset(event: Event, rng: Random) -> str:
    hours = rng.choice([5, 10, -7])
    local = values.iso(event.happened + hours * HOUR)
    return local.replace("Z", f"{hours:+03d}:00")


def _rfc2822(event: Event, rng: Random) -> str:
    # An RFC 2822 time has no fraction.
    return formatdate(event.happened // 1000)


def _no_time(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    name = payload_time(body)
    if name is None:
        return None
    del body["payload"][name]
    return body


def _bad_trigger(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if payload_time(body) is None:
        return None
    body["metadata"]["triggerredAt"] = rng.choice(["1970-01-01T00:00:00.000Z", None, "yesterday", 0])
    return body


# --- dates, currencies, amounts, ids ----------------------------------------------------------------------------


def _date(topic: str, key: str, written: Callable[[Random], Any], place: str = "detail") -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        if event.topic != topic:
            return None
        target = body["payload"][place] if place else body["payload"]
        target[key] = written(rng)
        return body

    return change


def _date_1970(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    nothing = "1970-01-01T00:00:00.000Z"
    if event.topic == bodies.PENDING:
        body["payload"]["detail"]["effectiveCancellationDate"] = nothing
    elif event.topic == bodies.SUCCEEDED:
        body["payload"]["detail"]["newBillingDate"] = nothing
    elif event.topic == bodies.JOINED_TRIAL:
        body["payload"]["freeTrialEnd"] = nothing
    else:
        return None
    return body


def _currency(code: str, amount: Any) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        if event.topic not in {bodies.SUCCEEDED, bodies.ATTEMPT, bodies.FAILED}:
            return None
        body["payload"]["detail"] |= {"currency": code, "amount": amount}
        return body

    return change


def _dust(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        return None
    payload = body["payload"]
    tiny = rng.choice([2.7755575615628914e-17, -2.7755575615628914e-17])
    payload["newBalance"] = payload["newBalance"] + tiny or tiny
    if payload["newBalance"] == int(payload["newBalance"]):
        payload["newBalance"] = float(payload["newBalance"])
    return body


def _member_id(written: Callable[[str], Any]) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        payload = body["payload"]
        if event.topic == bodies.UPDATED:
            payload["newData"]["customerId"] = written(event.member)
        elif event.topic == bodies.ORDERED:
            payload["customer"]["id"] = written(event.member)
        else:
            payload["customerId"] = written(event.member)
            if payload["customerId"] is None and "customer" in payload:
                payload["customer"]["id"] = None  # the payment topics name the member twice
            request = (payload.get("detail") or {}).get("cancelRequest")
            if payload["customerId"] is None and request:
                request["customerId"] = None  # a request to cancel names the member as well
        return body

    return change


# --- fields that are missing or null ----------------------------------------------------------------------------

_MAY_LACK = {
    bodies.ATTEMPT: ["detail.billingAttempts", "detail.errorMessage", "detail", "customer"],
    bodies.FAILED: ["detail.billingAttempts", "detail.currency", "customer"],
    bodies.SUCCEEDED: ["detail.newBillingDate", "detail.amount", "customer"],
    bodies.CREDITS: ["previousBalance", "reason", "newBalance"],
    bodies.EXPIRED: ["previousBalance", "amount"],
    bodies.CANCELLED: ["detail.cancellationSource", "tierId", "detail"],
    bodies.PENDING: ["detail.effectiveCancellationDate", "detail.cancelRequest"],
    bodies.CHANGED_TIER: ["detail.previousTierName", "detail.tierName"],
    bodies.ORDERED: ["detail", "detail.line_items"],
    bodies.UPDATED: ["newData.email", "newData.updatedAt", "oldData", "newData.referrals"],
    bodies.METHOD: ["detail.paymentMethodId", "customer"],
    **{topic: ["tierId", "detail.tierName", "detail"] for topic in bodies.JOINED},
}


def _lacking(*, remove: bool) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        *path, key = rng.choice(_MAY_LACK[event.topic]).split(".")
        target = body["payload"]
        for part in path:
            target = target[part]
        if key == "customer" and "customerId" not in target:
            return None
        if remove:
            del target[key]
        else:
            target[key] = None
        return body

    return change


def _null_identity(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    payload = body["payload"]
    if event.topic in {bodies.CREDITS, bodies.EXPIRED}:
        payload |= {"email": None, "firstName": None}
    elif "customer" in payload:
        payload["customer"]["email"] = None
    else:
        return None
    return body


def _names_left(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An anonymised member whose names still stand in `newData`, as they stand in `oldData`."""
    new = body["payload"].get("newData", {})
    if new.get("anonymized") is not True:
        return None
    new |= {
        key: body["payload"]["oldData"].get(key) for key in ("email", "firstName", "lastName", "phoneNumber")
    }
    return body


# --- shape ------------------------------------------------------------------------------------------------------


def _right_spelling(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["metadata"]["triggeredAt"] = body["metadata"].pop("triggerredAt")
    return body


def _more_fields(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["payload"]["loyaltyScore"] = {"points": [1, 2, 3], "of": None}
    body["metadata"]["region"] = "eu"
    return body


def _alias(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic != bodies.METHOD:
        return None
    body["metadata"]["topic"] = bodies.METHOD_ALIAS
    return body


def _metadata(**fields: Any) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
        body["metadata"] |= fields
        return body

    return change


def _open_word(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic == bodies.CANCELLED:
        body["payload"]["detail"]["cancellationSource"] = "TELEPATHY"
    elif event.topic == bodies.CREDITS:
        body["payload"]["reason"] = "GIFT_OF_THE_DAY"
    elif event.topic == bodies.UPDATED:
        body["payload"]["newData"]["status"] = "HIBERNATING"
    else:
        return None
    return body


def _other_person(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
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


def _main_unreadable(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """The field that the topic is about cannot be read: the event still says what its name says."""
    if event.topic not in _MAIN:
        return None
    place, key, values_ = _MAIN[event.topic]
    (body["payload"][place] if place else body["payload"])[key] = rng.choice(values_)
    return body


def _unknown_type(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
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


def _pair_broken(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An amount without its currency, or a currency without its amount."""
    if event.topic != bodies.SUCCEEDED:
        return None
    del body["payload"]["detail"][rng.choice(["amount", "currency"])]
    return body


def _malformed_address(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    place = body["payload"]
    if event.topic == bodies.UPDATED:
        place = place["newData"]
    elif event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        place = place.get("customer", {})
    if not place.get("email"):
        return None
    place["email"] = rng.choice(["no address", "@people.example", "ada@", "ada people@x.example"])
    return body


def _hostile_name(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        return None
    body["payload"]["lastName"] = "<!channel> https://evil.example/login " + "x" * 200
    return body


def _attempts(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic not in {bodies.ATTEMPT, bodies.FAILED}:
        return None
    body["payload"]["detail"]["billingAttempts"] = rng.choice([-5_000_000, 10**12, 2.5])
    return body


def _hostile_text(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """Characters that a queue refuses, or that no text may have."""
    if event.topic not in {bodies.ATTEMPT, bodies.FAILED}:
        return None
    body["payload"]["detail"]["errorMessage"] = rng.choice(
        ["declined\uffff", "declined \ud800", "declined\x00"]
    )
    return body


def _long_texts(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An address that no mail system takes, and a name of characters that people see as one and computers as five."""
    if event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        return None
    body["payload"] |= {
        "email": "a" * 4_000 + "@people.example",
        "firstName": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 60,
    }
    return body


def _bad_items(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic != bodies.ORDERED:
        return None
    body["payload"]["detail"]["line_items"] = [1] * 500
    return body


def _shop_spelt(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    """The shop by another spelling of its domain."""
    shop = body["metadata"]["shopDomain"]
    others = (f"https://{shop}/", f"{shop}.", shop.upper(), shop.partition(".")[0])
    body["metadata"]["shopDomain"] = rng.choice(others)
    return body


def _delivery_id(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["metadata"]["id"] = rng.choice(["'; DROP\n\"<b>", "x" * 3_000, ["a"], 7, None])
    return body


def _no_payload(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    body["payload"] = {}
    return body


def _other_tier(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """The end of another tier than the member's."""
    if event.topic != bodies.CANCELLED:
        return None
    body["payload"]["tierId"] = "77777777"
    return body


def _trial_over(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """A trial ends a minute after it began, and no event says what came of it."""
    if event.topic != bodies.JOINED_TRIAL:
        return None
    body["payload"]["freeTrialEnd"] = values.iso(event.happened + 60_000)
    return body


def _credit_expires(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic != bodies.CREDITS:
        return None
    ends = event.happened + rng.choice([-1, 1, 30, 400]) * DAY
    body["payload"]["expirationDate"] = values.iso(ends - ends % HOUR)
    return body


# What changes one body. Each is tried on the events in a random order until it finds one that it fits.
BODY: dict[str, Oddity] = {
    "clock_future": _clock(lambda event, rng: values.iso(event.happened + HOUR)),
    "clock_1900": _clock(lambda event, rng: "1900-01-01T00:00:00.000Z"),
    "clock_1970": _clock(lambda event, rng: "1970-01-01T00:00:00.000Z"),
    "clock_offset": _clock(_with_offset),
    "clock_epoch_ms": _clock(lambda event, rng: event.happened),
    "clock_epoch_s": _clock(lambda event, rng: event.happened // 1000),
    "clock_lower_z": _clock(lambda event, rng: values.iso(event.happened).lower()),
    "clock_rfc2822": _clock(_rfc2822),
    "clock_unreadable": _clock(lambda event, rng: "the day after"),
    "clock_missing": _no_time,
    "trigger_impossible": _bad_trigger,
    "date_1970": _date_1970,
    "date_offset": _date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01T00:00:00+10:00"),
    "date_moment": _date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01T23:30:00.000Z"),
    "date_plain": _date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01"),
    "currency_jpy": _currency("JPY", 9800),
    "currency_kwd": _currency("KWD", 12.345),
    "currency_lower": _currency("usd", 49),
    "currency_unknown": _currency("DOLLARS", 49),
    "amount_text": _currency("USD", "49.00"),
    "amount_dust": _currency("USD", 0.1 + 0.2),
    "amount_unreadable": _currency("USD", "1_000"),
    "amount_refund": _date(bodies.SUCCEEDED, "amount", lambda rng: -49),
    "amount_zero": _date(bodies.SUCCEEDED, "amount", lambda rng: 0),
    "balance_dust": _dust,
    "id_float": _member_id(float),
    "id_gid": _member_id(lambda member: f"gid://shopify/Customer/{member}"),
    "id_float_text": _member_id(lambda member: f"{member}.0"),
    "id_leading_zero": _member_id(lambda member: f"00{member}"),
    "id_missing": _member_id(lambda member: None),
    "field_missing": _lacking(remove=True),
    "field_null": _lacking(remove=False),
    "identity_null": _null_identity,
    "erasure_names_left": _names_left,
    "trigger_spelt_right": _right_spelling,
    "fields_unknown": _more_fields,
    "topic_alias": _alias,
    "topic_unknown": _metadata(topic="customer.teleported"),
    "shop_other": _metadata(shopDomain="other-shop.myshopify.com"),
    "word_unknown": _open_word,
    "name_hostile": _hostile_name,
    "identity_disagrees": _other_person,
    "main_unreadable": _main_unreadable,
    "word_type": _unknown_type,
    "pair_broken": _pair_broken,
    "address_malformed": _malformed_address,
    "test_delivery": _metadata(test=True),
    "attempts_absurd": _attempts,
    "amount_other_digits": _currency("USD", "\u0664\u0669"),
    "text_hostile": _hostile_text,
    "text_long": _long_texts,
    "items_bad": _bad_items,
    "shop_spelt": _shop_spelt,
    "delivery_id_hostile": _delivery_id,
    "payload_missing": _no_payload,
    "tier_other": _other_tier,
    "trial_over": _trial_over,
    "credit_expires": _credit_expires,
    "secret_keys": secret_keys,
    "erasure_elsewhere": erasure_elsewhere,
    "erasure_retried": erasure_retried,
}
# Times that the payload does not bring: a renewed time of triggering would then date the event anew.
WITHOUT_OWN_TIME = frozenset(
    {"clock_future", "clock_1900", "clock_1970", "clock_unreadable", "clock_missing", "trigger_impossible"}
)
NO_MEMBER = frozenset(
    {
        "id_missing",
        "topic_unknown",
        "shop_other",
        "not_json",
        "bytes_key_twice",
        "test_delivery",
        "payload_missing",
    }
)
