"""What a member is worth to the shop, as far as events and settings tell: who is high-value, which way a move went."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, TypeAlias

from relay.model.member import Member
from relay.rules.settings import Rules, TierSetting

Interval: TypeAlias = Literal["month", "quarter", "year"]
Direction: TypeAlias = Literal["up", "down"]

_A_YEAR: Final[dict[Interval | None, int]] = {"month": 12, "quarter": 4, "year": 1, None: 1}
"""Fees in a year. Where the interval is unknown it is counted as one: surely no less than that."""

_DAYS: Final[tuple[tuple[Interval, int, int], ...]] = (
    ("month", 26, 35),
    ("quarter", 85, 97),
    ("year", 358, 372),
)
"""Between a payment and the next: no event names the interval, and the platform bills some days off."""


def is_high_value(member: Member, rules: Rules) -> bool:
    """Tell whether the member is high-value: by tier, fee, credits or revenue; a threshold of 0 says nothing."""
    amounts = rules.amounts(member.text("fee_currency"))
    pairs = (
        (annual_fee(member, rules), amounts.high_value_annual_fee),
        (member.money("credit_balance"), amounts.high_value_credits),
        (member.money("revenue"), amounts.high_value_revenue),
    )
    return _in_the_top_tier(member, rules) or any(
        amount is not None and 0 < threshold <= amount for amount, threshold in pairs
    )


def _in_the_top_tier(member: Member, rules: Rules) -> bool:
    """Tell whether no tier ranks higher; with one rank alone nobody stands out."""
    ranks = {tier.rank for tier in rules.tiers.values() if tier.rank is not None}
    rank = _tier(member.text("tier_id"), rules).rank
    return len(ranks) > 1 and rank == max(ranks)


def annual_fee(member: Member, rules: Rules) -> Decimal | None:
    """Return what the member pays in a year: as set for the tier, else as observed."""
    stated = _tier(member.text("tier_id"), rules).annual_fee
    if stated is not None:
        return stated
    fee = member.money("fee_amount")
    if fee is None:
        fee = member.money("unpaid")
    return None if fee is None else fee * _A_YEAR[billing_interval(member, rules)]


def billing_interval(member: Member, rules: Rules) -> Interval | None:
    """Return how often the fee is due: as set for the tier, else from the last payment and the day it named."""
    stated = _tier(member.text("tier_id"), rules).billing_interval
    if stated:
        return stated
    paid, due = member.registers.get("last_payment_at"), member.registers.get("next_payment_on")
    at, day = member.moment("last_payment_at"), member.day("next_payment_on")
    if paid is None or due is None or at is None or day is None or paid.event_id != due.event_id:
        return None
    days = (day - at.date()).days
    return next((interval for interval, least, most in _DAYS if least <= days <= most), None)


def direction(before: str | None, after: str | None, rules: Rules) -> Direction | None:
    """Return which way a move between two tiers (by id) went: by rank, else by fee; None where nobody has said."""
    one, two = _tier(before, rules), _tier(after, rules)
    for left, right in ((one.rank, two.rank), (one.annual_fee, two.annual_fee)):
        if left is not None and right is not None and left != right:
            return "up" if right > left else "down"
    return None


def _tier(tier_id: str | None, rules: Rules) -> TierSetting:
    return rules.tiers.get(tier_id or "", TierSetting())
