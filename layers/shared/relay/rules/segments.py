"""Computes a member's value to the shop from events and settings: the annual fee, high value, tier moves up or down."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, TypeAlias

from relay.model.member import Member
from relay.rules.settings import Rules, TierSetting

Interval: TypeAlias = Literal["month", "quarter", "year"]
Direction: TypeAlias = Literal["up", "down"]

_FEES_A_YEAR: Final[dict[Interval | None, int]] = {"month": 12, "quarter": 4, "year": 1, None: 1}
"""Fees in a year. An unknown interval counts as a year: the member pays at least that."""

_INTERVALS: Final[tuple[tuple[Interval, int, int], ...]] = (
    ("month", 26, 35),
    ("quarter", 85, 97),
    ("year", 358, 372),
)
"""Days between a payment and the next, at least and at most: no event names the interval, and the platform bills some days off."""


def is_high_value(member: Member, rules: Rules) -> bool:
    """Return whether the member is of high value by tier, fee, credits or revenue; a threshold of 0 never applies."""
    thresholds = rules.thresholds_for(member.currency)
    pairs = (
        (annual_fee(member, rules), thresholds.high_value_annual_fee),
        (member.money("credit_balance"), thresholds.high_value_credits),
        (member.money("revenue"), thresholds.high_value_revenue),
    )
    return _in_top_tier(member, rules) or any(
        amount is not None and 0 < threshold <= amount for amount, threshold in pairs
    )


def _in_top_tier(member: Member, rules: Rules) -> bool:
    """Return whether no tier ranks higher. Where all tiers have one rank, none is the top tier."""
    ranks = {tier.rank for tier in rules.tiers.values() if tier.rank is not None}
    rank = _tier(member.text("tier_id"), rules).rank
    return len(ranks) > 1 and rank == max(ranks)


def annual_fee(member: Member, rules: Rules) -> Decimal | None:
    """Return what the member pays in a year: the tier's setting, else what events show; None where neither is known."""
    set_fee = _tier(member.text("tier_id"), rules).annual_fee
    if set_fee is not None:
        return set_fee
    fee = member.money("fee_amount")
    if fee is None:
        fee = member.money("unpaid")
    return None if fee is None else fee * _FEES_A_YEAR[billing_interval(member, rules)]


def billing_interval(member: Member, rules: Rules) -> Interval | None:
    """Return the billing interval: the tier's setting, else the time from the payment of the fee to the date that it named."""
    set_interval = _tier(member.text("tier_id"), rules).billing_interval
    if set_interval:
        return set_interval
    days = member.count("fee_days")
    if days is None:
        return None
    return next((interval for interval, least, most in _INTERVALS if least <= days <= most), None)


def direction(before: str | None, after: str | None, rules: Rules) -> Direction | None:
    """Return whether a move between two tiers (by id) goes up or down: by rank, else by fee; None where neither is set."""
    source, target = _tier(before, rules), _tier(after, rules)
    for old, new in ((source.rank, target.rank), (source.annual_fee, target.annual_fee)):
        if old is not None and new is not None and old != new:
            return "up" if new > old else "down"
    return None


def _tier(tier_id: str | None, rules: Rules) -> TierSetting:
    return rules.tiers.get(tier_id or "", TierSetting())
