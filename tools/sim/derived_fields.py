"""The fields derived from several events: status, attempts left, billing interval, credits that expire next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sim.clock import iso, parse, whole_hour
from sim.event_facts import UNDETERMINED, EventFacts, decimal_text
from sim.model import Member, Tier

_INTERVALS: Final = {1: "month", 3: "quarter", 12: "year"}
_DAILY: Final = (0, 1, 2)
_FIRST_BILL: Final = timedelta(days=1)

EXPIRING_FIELDS: Final = ("credits_expiring_amount", "credits_expiring_at")

BILLING_FIELDS: Final = (
    "next_payment_on",
    "fee_amount",
    "billing_interval",
    "attempts_left",
    "next_attempt_at",
    "final_attempt_at",
)
"""What a recurring fee has, and what ends with it: the platform's metafields are then without payment_amount and next_payment."""

_DECLINE_CODES: Final = {
    "Payment method was revoked": "payment_method_revoked",
    "Your card has insufficient funds.": "insufficient_funds",
    "Your card was declined.": "card_declined",
    "Your card has expired.": "expired_card",
}
"""By the text of a failed payment (`billing.ERRORS`)."""

_AHEAD: Final = frozenset({"trial_ends_at", "pending_cancel_at", "next_payment_on", "credits_expiring_at"})
"""Dates of what is to come."""


def has_recurring_fee(member: Member, tiers: Mapping[str, Tier]) -> bool:
    """Return whether the platform charges the member again, as its metafields show."""
    tier = tiers.get(member.tier_id or "")
    return member.in_programme and tier is not None and tier.billed and member.due_at is not None


def knows_its_kind(facts: Mapping[str, tuple[Any, int]]) -> bool:
    """Return whether events tell that the tier is one without a fee, or that the membership ended.

    A change of tier has no kind: only a joining, or an ending, says that there is no fee any more.
    """
    ended, joined, changed = (
        facts.get(name, (None, -1)) for name in ("cancelled_at", "tier_type", "tier_changed_at")
    )
    return bool(ended[0]) or joined[1] > changed[1]


def is_past(name: str, value: Any, as_of: str) -> bool:
    """Return whether a field names a date to come that has passed by then."""
    return name in _AHEAD and isinstance(value, str) and value < as_of[: len(value)]


def billing_interval(values: Mapping[str, tuple[Any, int]], tiers: Mapping[str, Tier]) -> EventFacts:
    """Return the interval of the fee last paid; it is known only if the same event has the date of the next payment."""
    paid, due, fee = (
        values.get(name, (None, 0)) for name in ("last_payment_at", "next_payment_on", "fee_amount")
    )
    if due[0] is UNDETERMINED:
        return {}
    if not paid[0] or not due[0] or paid[1] != due[1]:
        return {"billing_interval": None}
    months = [tier.months for tier in tiers.values() if tier.billed and decimal_text(tier.fee) == fee[0]]
    return {"billing_interval": _INTERVALS[months[0]]} if months and fee[1] == paid[1] else {}


def attempts_left(facts: EventFacts, tier: Tier | None) -> EventFacts:
    """Return the number of attempts left for a failed fee, and the time of the last one."""
    failed, at = facts.get("failed_attempts"), facts.get("last_failure_at")
    if facts.get("payment_lost_at"):
        return {"attempts_left": 0, "next_attempt_at": None, "final_attempt_at": at}
    if failed is UNDETERMINED:
        return {}
    if not failed:
        return {"attempts_left": None, "next_attempt_at": None, "final_attempt_at": None}
    if tier is None or tier.retry_days != _DAILY:
        return {}  # no event contains the retry days of a tier: Relay has them in its settings
    left = len(_DAILY) - failed
    return {
        "attempts_left": left,
        "next_attempt_at": iso(parse(at) + timedelta(days=1)) if at and left else None,
        "final_attempt_at": at and iso(parse(at) + timedelta(days=left)),
    }


def decline_code(facts: EventFacts) -> EventFacts:
    """Return the code of the last decline, for the texts that the simulator itself uses."""
    text = facts.get("last_decline_text")
    if text is UNDETERMINED or (text and text not in _DECLINE_CODES):
        return {}
    return {"last_decline_code": _DECLINE_CODES.get(text or "")}


def next_expiring_credits(member: Member, as_of: str) -> EventFacts:
    """Return the amount and the hour of the credits that expire next, from the state of the platform."""
    lots = [
        (iso(whole_hour(lot.expires_at)), lot.left) for lot in member.lots if lot.expires_at and lot.left > 0
    ]
    ahead = [(at, left) for at, left in lots if at > as_of]
    if not ahead:
        return dict.fromkeys(EXPIRING_FIELDS)
    soonest = min(at for at, _ in ahead)
    return dict(
        zip(
            EXPIRING_FIELDS,
            (decimal_text(sum(left for at, left in ahead if at == soonest)), soonest),
            strict=True,
        )
    )


def membership_status(facts: EventFacts) -> str:
    """Return the status of the membership."""
    if facts.get("cancelled_at"):
        return "cancelled"
    if facts.get("pending_cancel_at"):
        return "pending_cancellation"
    if payment_status(facts) in {"past_due", "failed"}:
        return "past_due"
    ends, paid = facts.get("trial_ends_at"), facts.get("last_payment_at")
    if ends and (not paid or parse(paid) < parse(ends) - _FIRST_BILL):
        return "trialing"
    return (
        "active" if any(facts.get(name) for name in ("joined_at", "tier_id", "last_payment_at")) else "none"
    )


def payment_status(facts: EventFacts) -> str:
    """Return the status of the payments."""
    if facts.get("payment_lost_at"):
        return "failed"
    if facts.get("failed_attempts"):
        return "past_due"
    return "ok" if facts.get("last_payment_at") else "none"
