"""The fields derived from several events: status, attempts left, billing interval, credits that expire next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sim.clock import iso, parse, whole_hour
from sim.event_facts import EventFacts, decimal_text
from sim.model import Member, Tier

_INTERVALS: Final = {1: "month", 3: "quarter", 12: "year"}
_DAILY: Final = (0, 1, 2)
_FIRST_BILL: Final = timedelta(days=1)

EXPIRING_FIELDS: Final = ("credits_expiring_amount", "credits_expiring_at")


def billing_interval(values: Mapping[str, tuple[Any, int]], tiers: Mapping[str, Tier]) -> EventFacts:
    """Return the interval of the fee last paid; it is known only if the payment named the next date."""
    due, fee = (values.get(name, (None, 0)) for name in ("next_payment_on", "fee_amount"))
    if not due[0] or not fee[0] or fee[1] != due[1]:
        return {"billing_interval": None}
    months = [tier.months for tier in tiers.values() if tier.billed and decimal_text(tier.fee) == fee[0]]
    return {"billing_interval": _INTERVALS[months[0]]} if months else {}


def attempts_left(facts: EventFacts, tier: Tier | None) -> EventFacts:
    """Return the number of attempts left for a failed fee, and the time of the last one."""
    failed, at = facts.get("failed_attempts"), facts.get("last_failure_at")
    if facts.get("payment_lost_at"):
        return {"attempts_left": 0, "final_attempt_at": at}
    if not failed:
        return {"attempts_left": None, "final_attempt_at": None}
    if tier is None or tier.retry_days != _DAILY:
        return {}  # no event contains the retry days of a tier: Relay has them in its settings
    left = len(_DAILY) - failed
    return {"attempts_left": left, "final_attempt_at": at and iso(parse(at) + timedelta(days=left))}


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
    if facts.get("pending_since"):
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
    return "ok" if (facts.get("last_payment_at") or "") > (facts.get("billing_over_at") or "") else "none"


def past_dates(facts: EventFacts, as_of: str) -> EventFacts:
    """Return the dates that were to come and have passed: they are shown no more."""
    names = [name for name in ("trial_ends_at", "pending_cancel_at") if (facts.get(name) or "~") <= as_of]
    noon = iso(parse(as_of) - timedelta(hours=12))[:10]
    names += ["next_payment_on"] if (facts.get("next_payment_on") or "~") < noon else []
    return dict.fromkeys(names)
