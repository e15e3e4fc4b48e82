"""What follows from all that was told of a member: status, attempts left, the interval, credits that run out next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sim.clock import iso, parse, whole_hour
from sim.model import Member, Tier
from sim.tellings import Told, plain

_INTERVALS: Final = {1: "month", 3: "quarter", 12: "year"}
_DAILY: Final = (0, 1, 2)
_FIRST_BILL: Final = timedelta(days=1)

LOTS: Final = ("credits_expiring_amount", "credits_expiring_at")


def interval(told: Mapping[str, tuple[Any, int]], tiers: Mapping[str, Tier]) -> Told:
    """Return how often the fee is due that was last paid: known by the day of the next, from the same event."""
    paid, due, fee = (
        told.get(name, (None, 0)) for name in ("last_payment_at", "next_payment_on", "fee_amount")
    )
    if not paid[0] or not due[0] or paid[1] != due[1]:
        return {"billing_interval": None}
    months = [tier.months for tier in tiers.values() if tier.billed and plain(tier.fee) == fee[0]]
    return {"billing_interval": _INTERVALS[months[0]]} if months and fee[1] == paid[1] else {}


def attempts(told: Told, tier: Tier | None) -> Told:
    """Return what is left of the tier's attempts at a fee that failed, and when the last is due."""
    failed, at = told.get("failed_attempts"), told.get("last_failure_at")
    if told.get("payment_lost_at"):
        return {"attempts_left": 0, "final_attempt_at": at}
    if not failed:
        return {"attempts_left": None, "final_attempt_at": None}
    if tier is None or tier.retry_days != _DAILY:
        return {}  # no event tells of another rhythm than the usual: a merchant has to
    left = len(_DAILY) - failed
    return {"attempts_left": left, "final_attempt_at": at and iso(parse(at) + timedelta(days=left))}


def expiring(member: Member, as_of: str) -> Told:
    """Return what the platform itself lets run out next, by the hour that it tells."""
    lots = [
        (iso(whole_hour(lot.expires_at)), lot.left) for lot in member.lots if lot.expires_at and lot.left > 0
    ]
    ahead = [(at, left) for at, left in lots if at > as_of]
    if not ahead:
        return dict.fromkeys(LOTS)
    soonest = min(at for at, _ in ahead)
    return dict(zip(LOTS, (plain(sum(left for at, left in ahead if at == soonest)), soonest), strict=True))


def status(told: Told) -> str:
    """Return how the membership stands."""
    if told.get("cancelled_at"):
        return "cancelled"
    if told.get("pending_cancel_at"):
        return "pending_cancellation"
    if payment_status(told) in {"past_due", "failed"}:
        return "past_due"
    ends, paid = told.get("trial_ends_at"), told.get("last_payment_at")
    if ends and (not paid or parse(paid) < parse(ends) - _FIRST_BILL):
        return "trialing"
    return "active" if any(told.get(name) for name in ("joined_at", "tier_id", "last_payment_at")) else "none"


def payment_status(told: Told) -> str:
    """Return how the payments stand."""
    if told.get("payment_lost_at"):
        return "failed"
    if told.get("failed_attempts"):
        return "past_due"
    return "ok" if told.get("last_payment_at") else "none"
