"""The oddities of one value of a body: clocks, dates, currencies, amounts, ids, and fields that are missing or null."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from random import Random
from typing import Any

from tests.judge import bodies, values
from tests.judge.history import HOUR, Event
from tests.judge.one_body import Oddity, payload_time

# --- clocks -----------------------------------------------------------------------------------------------------


def clock(written: Callable[[Event, Random], Any]) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        name = payload_time(body)
        if name is None:
            return None
        body["payload"][name] = written(event, rng)
        return body

    return change


def with_offset(event: Event, rng: Random) -> str:
    hours = rng.choice([5, 10, -7])
    local = values.iso(event.happened + hours * HOUR)
    return local.replace("Z", f"{hours:+03d}:00")


def local(event: Event, rng: Random) -> str:
    """The shop's own time, without an offset: read as UTC it lies hours after the event was triggered."""
    at = event.happened + rng.choice([1, 5, 10]) * HOUR
    return values.iso(at).replace("T", " ")[:19]


def rfc2822(event: Event, rng: Random) -> str:
    # An RFC 2822 time has no fraction.
    return formatdate(event.happened // 1000)


def no_time(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    name = payload_time(body)
    if name is None:
        return None
    del body["payload"][name]
    return body


def bad_trigger(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if payload_time(body) is None:
        return None
    body["metadata"]["triggerredAt"] = rng.choice(["1970-01-01T00:00:00.000Z", None, "yesterday", 0])
    return body


# --- dates, currencies, amounts, ids ----------------------------------------------------------------------------


def date(topic: str, key: str, written: Callable[[Random], Any], place: str = "detail") -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        if event.topic != topic:
            return None
        target = body["payload"][place] if place else body["payload"]
        target[key] = written(rng)
        return body

    return change


def date_1970(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
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


def currency(code: str, amount: Any) -> Oddity:
    def change(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
        if event.topic not in {bodies.SUCCEEDED, bodies.ATTEMPT, bodies.FAILED}:
            return None
        body["payload"]["detail"] |= {"currency": code, "amount": amount}
        return body

    return change


def negative_charge(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """A failed charge with a sign, as some senders write what did not come in."""
    if event.topic not in {bodies.ATTEMPT, bodies.FAILED}:
        return None
    body["payload"]["detail"]["amount"] *= -1
    return body


def tier_number(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """A tier's id of digits as a number: it is the tier that other events write as a text."""
    tier = body["payload"].get("tierId")
    if not isinstance(tier, str) or not tier.isdecimal():
        return None
    body["payload"]["tierId"] = rng.choice([int(tier), float(tier), f"{tier}.0"])
    return body


def dust(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    if event.topic not in {bodies.CREDITS, bodies.EXPIRED}:
        return None
    payload = body["payload"]
    tiny = rng.choice([2.7755575615628914e-17, -2.7755575615628914e-17])
    payload["newBalance"] = payload["newBalance"] + tiny or tiny
    if payload["newBalance"] == int(payload["newBalance"]):
        payload["newBalance"] = float(payload["newBalance"])
    return body


def member_id(written: Callable[[str], Any]) -> Oddity:
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


def lacking(*, remove: bool) -> Oddity:
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


def null_identity(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    payload = body["payload"]
    if event.topic in {bodies.CREDITS, bodies.EXPIRED}:
        payload |= {"email": None, "firstName": None}
    elif "customer" in payload:
        payload["customer"]["email"] = None
    else:
        return None
    return body


def erasure_written(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """`anonymized` as a text or as a number."""
    new = body["payload"].get("newData", {})
    if new.get("anonymized") is not True:
        return None
    new["anonymized"] = rng.choice(["true", "True", 1])
    return body


def names_left(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An anonymised member whose names still stand in `newData`, as they stand in `oldData`."""
    new = body["payload"].get("newData", {})
    if new.get("anonymized") is not True:
        return None
    new |= {
        key: body["payload"]["oldData"].get(key) for key in ("email", "firstName", "lastName", "phoneNumber")
    }
    return body
