"""Turns a reading of the API into dated facts, which merge with the events of the member.

A reading has no time of its own but the answer's `Date`. What it shows may be older than that (a cache, the
platform's own delay, clocks that differ), so it is dated two minutes early, and by the call's duration more:
an event of those minutes wins over it, field by field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from inveterate.webhooks.amounts import amount, currency_code

from relay.model.erasure import PERSONAL
from relay.model.facts import Facts, combine, known, pick
from relay.model.fields import Value
from relay.model.member import Member
from relay.model.milestones import FOUND, Milestone, tier_key
from relay.ports.inveterate import MemberReading
from relay.reconcile.erasure import answer

if TYPE_CHECKING:
    from inveterate import Member as ApiMember

EARLY: Final = timedelta(seconds=120)

TOPIC: Final = "relay.reconcile"
"""The topic under which the journal keeps readings."""


def facts_of(reading: MemberReading, date: datetime, record: Member) -> Facts:
    """Return the facts of a reading for this record; `date` is when the API answered."""
    at = date - timedelta(seconds=reading.seconds) - EARLY
    read = reading.member
    return Facts(
        event_id=reading_id(record.key, at),
        at=at,
        values=combine(
            _profile(read),
            found_since(_membership(read, record), at, record),
            _money(read),
            {"read_at": at},
            answer(read, date, record),
        ),
        balances=None if (balance := _balance(read)) is None else (None, balance),
        milestone=_milestone(read, record),
    )


def facts_of_absence(date: datetime, record: Member, *, is_gone: bool = False) -> Facts:
    """Return the facts of a reading that found no such member: they answer an erasure that a webhook asks about.

    Whether the member is gone for any other reason is for the full run to say: `is_gone`. Personal data stay.
    """
    at = date - EARLY
    gone: dict[str, Value] = {"found_status": "gone", "read_at": at} if is_gone else {}
    gone = found_since(gone, at, record)
    return Facts(event_id=reading_id(record.key, at), at=at, values=combine(answer(None, date, record), gone))


def found_since(values: Mapping[str, Value], at: datetime, record: Member) -> dict[str, Value]:
    """Return a reading's values with the date since when its status is found: that of the first reading in a row that says the same."""
    if "found_status" not in values:
        return dict(values)
    status, known = values["found_status"], record.registers.get("found_status")
    first = record.moment("found_since") or known.at if known and known.value == status else at
    return {**values, "found_since": first if status else None}


def _milestone(read: ApiMember, record: Member) -> Milestone | None:
    """Return what happened although no event told it: the member is back, or in another tier.

    It says so for good: a register of the next reading would take its place, and the past would be read otherwise.
    """
    is_back = record.ended_at is not None and (read.status or "").strip().upper() == "ACTIVE"
    if is_back:
        return Milestone(kind="joined", detail=FOUND, tier=read.tier_id)
    if read.tier_id and tier_key(read.tier_id) != tier_key(record.text("tier_id")):
        return Milestone(kind="moved", detail=FOUND, tier=read.tier_id)
    return None


def reading_id(key: str, at: datetime) -> str:
    """Return the id that stands for a reading where an event has its own."""
    return "api-" + hashlib.sha256(f"{key}|{at.isoformat()}".encode()).hexdigest()[:20]


def _profile(read: ApiMember) -> dict[str, Value]:
    if read.anonymized:
        # Whatever else the platform still shows of the person.
        return dict.fromkeys(PERSONAL)
    return pick(
        read,
        email="email",
        phone_number="phone",
        first_name="first_name",
        last_name="last_name",
    )


def _membership(read: ApiMember, record: Member) -> dict[str, Value]:
    """Return tier and status, also as evidence: it replaces that of an earlier snapshot.

    A tier's name comes with its id or not at all: the name of another tier would be worse than none.
    """
    tier = {
        **pick(read, tier_id="tier_id", tier_name="tier_name", joined_at="joined_at"),
        **known(read, joined_at="first_joined_at"),
    }
    if "tier_id" in tier and "tier_name" not in tier and tier["tier_id"] != record.value("tier_id"):
        tier["tier_name"] = None
    return {**tier, **pick(read, status="seen_status", tier_id="seen_tier_id"), **_status(read.status)}


_OPEN_FEE: Final = {"FAILED": "failed", "PAST_DUE": "past_due"}
"""The platform's documentation names no word for a fee that is open. These are Shopify's of a contract whose billing failed
for good, and the usual one (https://shopify.dev/docs/api/admin-graphql/latest/enums/SubscriptionContractSubscriptionStatus).
"""


def _status(status: str | None) -> dict[str, Value]:
    """Return whether the membership has ended or is about to; an unknown word says neither, and is kept as unknown.

    Only an event says when it ended. A reading has a register of its own for the status that it found, and
    clears what an event said of an end, where the membership is there again.
    """
    ended: dict[str, Value] = dict.fromkeys(("cancelled_at", "cancel_type", "cancel_reason"))
    ending: dict[str, Value] = dict.fromkeys(("pending_since", "pending_cancel_at", "pending_cancel_source"))
    match (status or "").strip().upper():
        case "ACTIVE":
            return {**ended, **ending, "found_status": None}
        case "PENDING_CANCELLATION":
            # The reason stays: it may be that of the request which is pending.
            return {"cancelled_at": None, "cancel_type": None, "found_status": "pending_cancellation"}
        case "CANCELLED":
            return {**ending, "found_status": "cancelled"}
        case "FAILED" | "PAST_DUE" as word:
            return {"found_status": _OPEN_FEE[word]}
        case word:
            return {"found_status": "unknown"} if word else {}


def _money(read: ApiMember) -> dict[str, Value]:
    totals = pick(read, credits_earned="credits_earned_total", referrals="referrals_count", revenue="revenue")
    if read.revenue is not None:
        totals["revenue"] = amount(read.revenue, currency_code(read.currency_code))
    # A reading without a purchase does not undo an order that an event reported.
    order: dict[str, Value] = {"last_order_at": read.last_purchase_at} if read.last_purchase_at else {}
    # A missing number is no balance; zero is one.
    credit: dict[str, Value] = {}
    if (balance := _balance(read)) is not None:
        credit = {"seen_balance": balance}
    return {**totals, **order, **credit}


def _balance(read: ApiMember) -> Decimal | None:
    """Return the balance without a float's dust, as the events have it: they are compared."""
    return amount(read.credit)
