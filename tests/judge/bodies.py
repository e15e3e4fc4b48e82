"""The body of each topic as the platform documents it (topics.yaml and its fifteen examples), from plain values."""

from __future__ import annotations

import json
from typing import Any

from tests.judge.history import SHOP
from tests.judge.values import iso

JOINED_PAID = "customer.joined.paid_tier"
JOINED_FREE = "customer.joined.free_tier"
JOINED_TRIAL = "customer.joined.free_trial"
JOINED_LIFETIME = "customer.joined.lifetime_tier"
CHANGED_TIER = "customer.changed_tier"
UPDATED = "customer.updated"
ORDERED = "customer.ordered"
SUCCEEDED = "customer.payment_succeeded"
FAILED = "customer.payment_failed"
ATTEMPT = "customer_billing.attempt.failed"
METHOD = "customer.payment_methods.updated"
METHOD_ALIAS = "customer.payment_method.changed"
CREDITS = "customer.credits.updated"
EXPIRED = "customer.credits.expired"
CANCELLED = "customer.cancelled"
PENDING = "customer.pending_cancellation"

JOINED = {JOINED_PAID: "paid", JOINED_FREE: "free", JOINED_TRIAL: "trial", JOINED_LIFETIME: "lifetime"}
TOPICS = (
    *JOINED,
    CHANGED_TIER,
    UPDATED,
    ORDERED,
    SUCCEEDED,
    FAILED,
    ATTEMPT,
    METHOD,
    CREDITS,
    EXPIRED,
    CANCELLED,
    PENDING,
)
Body = dict[str, Any]


def dump(body: Body) -> bytes:
    """Return the body's bytes as a sender writes them."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":")).encode()  # half of a character can only be escaped


def envelope(topic: str, payload: Body, triggered: int, event_id: str) -> Body:
    """Return payload and metadata; `credits.updated` bears no `metadata.id`."""
    named = {} if topic == CREDITS else {"id": event_id}
    return {
        "payload": payload,
        "metadata": {
            **named,
            "retryCount": 0,
            "shopDomain": SHOP,
            "topic": topic,
            "version": "2025-06",
            "triggerredAt": iso(triggered),
        },
    }


def stamped(happened: int, **fields: Any) -> Body:
    """Return the fields between the two times that most topics bear."""
    return {
        "createdAt": iso(happened),
        "merchantId": SHOP.partition(".")[0],
        **fields,
        "updatedAt": iso(happened),
    }


def joined(topic: str, member: str, tier: tuple[str, str], happened: int, trial_end: int | None) -> Body:
    """Return the payload of one of the four joinings."""
    entry = {JOINED_FREE: "FREE_SIGNUP", JOINED_LIFETIME: "ONE_TIME_PURCHASE"}
    payload = stamped(
        happened,
        tierId=tier[0],
        detail={"entryType": entry.get(topic, "SUBSCRIPTION_PURCHASE"), "tierName": tier[1]},
        customerId=member,
    )
    if trial_end is not None:
        payload |= {"freeTrialStart": iso(happened - 13_000), "freeTrialEnd": iso(trial_end)}
    return payload


def changed_tier(member: str, tier: tuple[str, str], previous: tuple[str, str], happened: int) -> Body:
    """Return the payload of a change of tier."""
    return stamped(
        happened,
        tierId=tier[0],
        detail={"previousTierName": previous[1], "previousTierId": previous[0], "tierName": tier[1]},
        customerId=member,
    )


def ordered(member: str, email: str, subtotal: str, currency: str, happened: int) -> Body:
    """Return the payload of an order: a numeric id under `customer`, prices as text, no order id."""
    line = {
        "id": happened,
        "name": "Snowboard",
        "price": subtotal,
        "quantity": 1,
        "variant_id": 4,
        "product_id": 8,
    }
    return stamped(
        happened,
        customer={"id": int(member), "email": email},
        detail={"subtotal_price": subtotal, "currency": currency, "line_items": [line]},
    )


def paid(person: Body, amount: Any, currency: str, next_on: str, happened: int) -> Body:
    """Return the payload of a payment that went through; `person` is the member's id, e-mail and phone."""
    return stamped(
        happened,
        customerId=person["id"],
        status="PAID",
        detail={"amount": amount, "currency": currency, "newBillingDate": next_on},
        customer=dict(person),
    )


def failed(
    person: Body, attempt: int, money: tuple[Any, str], reason: tuple[str, str], happened: int
) -> Body:
    """Return the payload that both failure topics share; `reason` is the error text and the billed tier."""
    return stamped(
        happened,
        customerId=person["id"],
        customer=dict(person),
        detail={
            "amount": money[0],
            "currency": money[1],
            "errorMessage": reason[0],
            "billingDate": iso(happened - happened % 86_400_000),
            "billingAttempts": attempt,
            "billingTierId": reason[1],
        },
    )


def payment_method(person: Body, method: str, happened: int) -> Body:
    """Return the payload of a changed payment method."""
    return stamped(
        happened,
        customerId=person["id"],
        customer={"id": person["id"], "email": person["email"]},
        detail={
            "paymentMethodId": f"gid://shopify/CustomerPaymentMethod/{method}",
            "paymentMethodType": "CustomerCreditCard",
        },
    )


def credited(holder: Body, balances: tuple[Any, Any], change: Any, reason: str, happened: int) -> Body:
    """Return the payload of a changed balance; `holder` is customerId, email and names, `balances` before and after."""
    return stamped(
        happened,
        **holder,
        note=None,
        reason=reason,
        amount=change,
        isUpsell=False,
        orderId=None,
        orderTotal=None,
        previousBalance=balances[0],
        newBalance=balances[1],
        appliedBy="admin" if reason == "MANUAL" else None,
        expirationDate=None,
    )


def expired(holder: Body, before: Any, after: Any, lost: Any, happened: int) -> Body:
    """Return the payload of expired credits: no createdAt, the lost amount positive."""
    return {
        "merchantId": SHOP.partition(".")[0],
        **holder,
        "newBalance": after,
        "previousBalance": before,
        "reason": "EXPIRED",
        "expiredAt": iso(happened),
        "amount": lost,
    }


def cancelled(member: str, tier: tuple[str, str], source: str, happened: int) -> Body:
    """Return the payload of an ending; its tier is the one that was left."""
    return stamped(
        happened,
        tierId=tier[0],
        detail={"cancellationSource": source, "tierName": tier[1]},
        customerId=member,
    )


def pending(member: str, tier: str, ends: int, token: str, happened: int) -> Body:
    """Return the payload of a scheduled ending, with the secret token that the platform sends."""
    source = "CUSTOMER"
    date = iso(ends - ends % 3_600_000).replace(".000Z", "Z")
    request = {
        "createdAt": iso(happened - 6_000),
        "cancelDate": date,
        "nextSegmentId": None,
        "cancellationSource": source,
        "merchantId": SHOP.partition(".")[0],
        "billingTierId": tier,
        "switchToFreeTier": False,
        "contractId": "23578214531",
        "customerId": member,
        "cancelToken": token,
        "updatedAt": iso(happened - 3_000),
        "status": "PENDING_CANCELLATION",
    }
    return stamped(
        happened,
        detail={
            "nextSegmentId": None,
            "cancellationSource": source,
            "switchToFreeTier": None,
            "cancelRequest": request,
            "effectiveCancellationDate": date,
        },
        customerId=member,
    )


def updated(new: Body, old: Body) -> Body:
    """Return the payload of a changed record: two snapshots and no time of its own."""
    return {"newData": dict(new), "oldData": dict(old)}
