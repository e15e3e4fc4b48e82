"""The payload of each topic, shaped like the documented samples with all their inconsistencies.

The payloads differ on purpose: two formats of a customer id, prices as text in one topic, an expiry truncated to the
hour, times with and without milliseconds. The samples are in events/.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sim.clock import iso, iso_seconds, whole_hour
from sim.model import CancelRequest, LedgerEntry, Member, Tier, number
from sim.world import World

Payload = dict[str, Any]

TRIAL_SHIFT: Final = timedelta(seconds=13, milliseconds=374)
"""In the sample the trial begins this long before the event, and its length is 2 ms less than whole days."""


def _head(world: World, member: Member, at: datetime) -> Payload:
    return {
        "createdAt": iso(at),
        "updatedAt": iso(at),
        "merchantId": world.shop.merchant_id,
        "customerId": member.id,
    }


def joined(
    world: World, member: Member, at: datetime, tier: Tier, entry_type: str, previous: Tier | None = None
) -> Payload:
    """Return the payload of customer.joined.paid_tier, .free_tier or .lifetime_tier."""
    detail: Payload = {"entryType": entry_type}
    if previous is not None:
        detail |= {"previousTierName": previous.name, "previousTierId": previous.id}
    return _head(world, member, at) | {"tierId": tier.id, "detail": detail | {"tierName": tier.name}}


def joined_trial(world: World, member: Member, at: datetime, tier: Tier, ends: datetime) -> Payload:
    """Return the payload of customer.joined.free_trial."""
    return joined(world, member, at, tier, "SUBSCRIPTION_PURCHASE") | {
        "freeTrialStart": iso(at - TRIAL_SHIFT),
        "freeTrialEnd": iso(ends),
    }


def changed_tier(world: World, member: Member, at: datetime, tier: Tier, previous: Tier) -> Payload:
    """Return the payload of customer.changed_tier."""
    detail = {"previousTierName": previous.name, "previousTierId": previous.id, "tierName": tier.name}
    return _head(world, member, at) | {"tierId": tier.id, "detail": detail}


def _contact(member: Member, *, phone: bool = True) -> Payload:
    contact: Payload = {"id": member.id, "email": member.email or None}
    return contact | {"phoneNumber": member.phone} if phone else contact


def payment_succeeded(world: World, member: Member, at: datetime, amount: Decimal, due: datetime) -> Payload:
    """Return the payload of customer.payment_succeeded, with the next due date."""
    detail = {
        "amount": number(amount),
        "currency": world.shop.currency,
        "newBillingDate": iso(due.replace(hour=0, minute=0, second=0, microsecond=0)),
    }
    return _head(world, member, at) | {"status": "PAID", "detail": detail, "customer": _contact(member)}


def _failure(world: World, member: Member, at: datetime, tier: Tier, error: str, billed: datetime) -> Payload:
    detail = {
        "amount": number(tier.fee),
        "currency": world.shop.currency,
        "errorMessage": error,
        "billingDate": iso(billed),
        "billingAttempts": member.failed_attempts,
        "billingTierId": tier.id,
    }
    return _head(world, member, at) | {"customer": _contact(member), "detail": detail}


def attempt_failed(
    world: World,
    member: Member,
    at: datetime,
    tier: Tier,
    error: str,
    *,
    billed: datetime,
    attempted: datetime,
) -> Payload:
    """Return the payload of customer_billing.attempt.failed, sent for each failed attempt."""
    payload = _failure(world, member, at, tier, error, billed)
    name = world.switches["last_attempt_name"]
    payload["detail"] |= {"attemptedAt": iso(attempted), name: iso(attempted)}
    return payload


def payment_failed(
    world: World, member: Member, at: datetime, tier: Tier, error: str, billed: datetime
) -> Payload:
    """Return the payload of customer.payment_failed, sent after the last attempt of a cycle."""
    payload = _failure(world, member, at, tier, error, billed)
    payload["detail"]["isFinal"] = True
    return payload


def payment_method(world: World, member: Member, at: datetime) -> Payload:
    """Return the payload of customer.payment_methods.updated."""
    return _head(world, member, at) | {
        "customer": _contact(member, phone=False),
        "detail": {
            "paymentMethodId": f"gid://shopify/CustomerPaymentMethod/{world.id_rng.getrandbits(128):032x}",
            "paymentMethodType": "CustomerCreditCard",
        },
    }


def ordered(world: World, member: Member, at: datetime, lines: list[Payload]) -> Payload:
    """Return the payload of customer.ordered: no order id, a numeric customer id, prices as text."""
    subtotal = sum((Decimal(line["price"]) * line["quantity"] for line in lines), Decimal(0))
    return {
        "merchantId": world.shop.merchant_id,
        "createdAt": iso(at),
        "updatedAt": iso(at),
        "customer": {"id": int(member.id), "email": member.email or None},
        "detail": {
            "subtotal_price": f"{subtotal:.2f}",
            "currency": world.shop.currency,
            "line_items": lines,
        },
    }


def credits_updated(
    world: World, member: Member, entry: LedgerEntry, *, order_total: Decimal | None, applied_by: str | None
) -> Payload:
    """Return the payload of customer.credits.updated: flat, with the expiry truncated to the hour."""
    amount = entry.amount
    if amount < 0 and entry.reason == "REDEEMED" and world.switches("redemption_sign", "positive"):
        amount = -amount
    return _head(world, member, entry.at) | {
        "email": member.email or None,
        "firstName": member.first_name or None,
        "lastName": member.last_name or None,
        "amount": number(amount),
        "newBalance": number(entry.balance),
        "previousBalance": number(entry.previous),
        "reason": entry.reason,
        "orderId": None if entry.order_id is None else str(entry.order_id),
        "orderTotal": None if order_total is None else number(order_total),
        "expirationDate": iso(whole_hour(entry.expires_at)) if entry.expires_at else None,
        "note": entry.note,
        "appliedBy": applied_by,
        "isUpsell": False,
    }


def credits_expired(world: World, member: Member, entry: LedgerEntry) -> Payload:
    """Return the payload of customer.credits.expired: the amount is positive although the balance falls."""
    return {
        "merchantId": world.shop.merchant_id,
        "customerId": member.id,
        "email": member.email or None,
        "firstName": member.first_name or None,
        "lastName": member.last_name or None,
        "amount": number(abs(entry.amount)),
        "newBalance": number(entry.balance),
        "previousBalance": number(entry.previous),
        "reason": "EXPIRED",
        "expiredAt": iso(entry.at),
    }


def cancelled(world: World, member: Member, at: datetime, tier: Tier | None, source: str) -> Payload:
    """Return the payload of customer.cancelled, with the tier that the member left."""
    return _head(world, member, at) | {
        "tierId": tier.id if tier else None,
        "detail": {"cancellationSource": source, "tierName": tier.name if tier else None},
    }


def cancel_request(world: World, member: Member, request: CancelRequest) -> Payload:
    """Return a cancellation request as v1 does; pending_cancellation contains a longer one."""
    return {
        "merchantId": world.shop.merchant_id,
        "cancelToken": request.token,
        "customerId": member.id,
        "status": request.status,
        "createdAt": iso(request.at),
        "updatedAt": iso(request.updated_at or request.at),
    }


def pending_cancellation(world: World, member: Member, at: datetime, request: CancelRequest) -> Payload:
    """Return the payload of customer.pending_cancellation."""
    to_free = world.switches("after_cancellation", "free_tier")
    free = world.free_tier() if to_free else None
    ends = iso_seconds(request.cancel_at or at)
    full = cancel_request(world, member, request) | {
        "cancelDate": ends,
        "nextSegmentId": free.id if free else None,
        "cancellationSource": request.source,
        "billingTierId": member.tier_id,
        "switchToFreeTier": to_free,
        "contractId": None if member.contract_id is None else str(member.contract_id),
    }
    return _head(world, member, at) | {
        "detail": {
            "nextSegmentId": free.id if free else None,
            "cancellationSource": request.source,
            "switchToFreeTier": True if to_free else None,
            "cancelRequest": full,
            "effectiveCancellationDate": ends,
        }
    }


def member_record(world: World, member: Member) -> Payload:
    """Return the member record of customer.updated."""
    tier = world.tiers.get(member.tier_id or "")
    return {
        "accountState": "ENABLED",
        "lastCreditRedemptionAt": iso(member.last_redemption_at) if member.last_redemption_at else None,
        "lastName": member.last_name or None,
        "notes": member.notes,
        "anonymized": member.anonymized,
        "createdAt": iso(member.created_at),
        "revenue": number(member.revenue),
        "merchantId": world.shop.merchant_id,
        "paymentId": None if member.payment_id is None else str(member.payment_id),
        "referrals": member.referrals,
        "customerId": member.id,
        "credit": number(member.balance),
        "email": member.email or None,
        "updatedAt": iso(member.updated_at or member.created_at),
        "joinedAt": iso_seconds(member.joined_at) if member.joined_at else None,
        "trigger": member.trigger,
        "firstName": member.first_name or None,
        "creditsEarned": number(member.earned),
        "phoneNumber": member.phone,
        "referredBy": None,
        "contractId": member.contract_id,
        "lastPurchaseAt": iso(member.last_purchase_at) if member.last_purchase_at else None,
        "currencyCode": world.shop.currency,
        "freeTrialActive": member.on_trial,
        "status": member.status.value if member.status else None,
        "tierId": member.tier_id,
        "tierName": tier.name if tier else None,
    }


def updated(new: Payload, old: Payload) -> Payload:
    """Return the payload of customer.updated; `old` may have a key that `new` lacks."""
    return {"newData": new, "oldData": old}
