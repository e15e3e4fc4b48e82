"""Turns a reading of the API into dated facts, which merge with the events of the member.

A reading has no time of its own but the answer's `Date`. What it shows may be older than that (a cache, the
platform's own delay, clocks that differ), so it is dated two minutes early, and by the call's duration more:
an event of those minutes wins over it, field by field.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from inveterate.webhooks.amounts import amount, currency_code

from relay.model.facts import Facts, combine, pick
from relay.model.fields import Value
from relay.model.member import Member
from relay.ports.inveterate import MemberReading

if TYPE_CHECKING:
    from inveterate import Member as ApiMember

EARLY: Final = timedelta(seconds=120)

TOPIC: Final = "relay.reconcile"
"""The topic under which the journal keeps readings."""

_IDENTITY: Final = ("email", "phone", "first_name", "last_name")


def facts_of(reading: MemberReading, date: datetime, record: Member) -> Facts:
    """Return the facts of a reading for this record; `date` is when the API answered."""
    at = date - timedelta(seconds=reading.seconds) - EARLY
    read = reading.member
    return Facts(
        event_id=reading_id(record.key, at),
        at=at,
        values=combine(_profile(read, record), _membership(read, record), _money(read)),
        balances=None if (balance := _balance(read)) is None else (None, balance),
    )


def reading_id(key: str, at: datetime) -> str:
    """Return the id that stands for a reading where an event has its own."""
    return "api-" + hashlib.sha256(f"{key}|{at.isoformat()}".encode()).hexdigest()[:20]


def _profile(read: ApiMember, record: Member) -> dict[str, Value]:
    profile = pick(
        read,
        email="email",
        phone_number="phone",
        first_name="first_name",
        last_name="last_name",
        anonymized="anonymized",
    )
    if record.value("anonymized") or read.anonymized:
        # An erased member stays erased: no reading brings the profile back.
        return {"anonymized": True, **dict.fromkeys(name for name in profile if name in _IDENTITY)}
    return profile


def _membership(read: ApiMember, record: Member) -> dict[str, Value]:
    """Return tier and status, also as evidence: it replaces that of an earlier snapshot.

    A tier's name comes with its id or not at all: the name of another tier would be worse than none.
    """
    tier = pick(read, tier_id="tier_id", tier_name="tier_name", joined_at="joined_at")
    if "tier_id" in tier and "tier_name" not in tier and tier["tier_id"] != record.value("tier_id"):
        tier["tier_name"] = None
    return {**tier, **pick(read, status="seen_status", tier_id="seen_tier_id"), **_status(read.status)}


def _status(status: str | None) -> dict[str, Value]:
    """Return whether the membership has ended or is about to; an unknown word says neither.

    Only an event says when it ended. A reading has a register of its own for the status that it found, and
    clears what an event said of an end, where the membership is there again.
    """
    ended: dict[str, Value] = dict.fromkeys(("cancelled_at", "cancel_type", "cancel_reason"))
    ending: dict[str, Value] = dict.fromkeys(("pending_cancel_at", "pending_cancel_source"))
    match (status or "").strip().upper():
        case "ACTIVE":
            return {**ended, **ending, "found_status": None}
        case "PENDING_CANCELLATION":
            # The reason stays: it may be that of the request which is pending.
            return {"cancelled_at": None, "cancel_type": None, "found_status": "pending_cancellation"}
        case "CANCELLED":
            return {**ending, "found_status": "cancelled"}
        case _:
            return {}


def _money(read: ApiMember) -> dict[str, Value]:
    totals = pick(read, credits_earned="credits_earned_total", referrals="referrals_count", revenue="revenue")
    if read.revenue is not None:
        totals["revenue"] = amount(read.revenue, currency_code(read.currency_code))
    # A reading without a purchase does not undo an order that an event reported.
    order: dict[str, Value] = {"last_order_at": read.last_purchase_at} if read.last_purchase_at else {}
    # A missing number is no balance; zero is one.
    credit: dict[str, Value] = {}
    if (balance := _balance(read)) is not None:
        credit = {"credit_balance": balance, "seen_balance": balance}
    return {**totals, **order, **credit}


def _balance(read: ApiMember) -> Decimal | None:
    """Return the balance without a float's dust, as the events have it: they are compared."""
    return amount(read.credit)
