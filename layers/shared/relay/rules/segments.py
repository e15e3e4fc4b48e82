"""Computes a member's value to the shop from events and settings: the annual fee, high value, tier moves up or down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from relay.model.formats import amount_text, day_text
from relay.model.member import Member
from relay.rules.measures import Measures
from relay.rules.settings import AmountName, Rules, TierSetting

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

_WITHOUT_FEE: Final = frozenset({"free", "lifetime"})
"""Types of tiers that bill no recurring fee."""


@dataclass(frozen=True, slots=True)
class Value:
    """One amount by which a member may be of high value, its currency, and from which amount on it makes the member so."""

    name: Literal["annual fee", "store credit", "lifetime revenue"]
    amount: Decimal
    currency: str | None
    threshold: Decimal | None

    @property
    def is_high(self) -> bool:
        """Whether the amount reaches the threshold; a threshold of 0 is switched off."""
        return self.threshold is not None and 0 < self.threshold <= self.amount


def is_high_value(member: Member, rules: Rules) -> bool:
    """Return whether the member is of high value: by tier, annual fee, credits or revenue."""
    return is_in_top_tier(member, rules) or any(value.is_high for value in values(member, rules))


def is_worth_credits(member: Member, rules: Rules) -> bool:
    """Return whether a member, as a reading of the API shows it, is of high value by what the merchant has set.

    The programme's measures do not count here: they come from webhooks as well, which are not signed, and those
    that a full reading of the API would give do not exist yet.
    """
    return is_high_value(member, rules.model_copy(update={"measures": Measures()}))


def high_value_rows(member: Member, rules: Rules) -> Iterator[tuple[str, str]]:
    """Yield the rows of an alert that say why a member is of high value, and since when one is a member."""
    reasons = [
        f"{value.name} of {amount_text(value.amount, value.currency)}, high from "
        f"{amount_text(value.threshold, value.currency)} on"
        for value in values(member, rules)
        if value.is_high
    ]
    if is_in_top_tier(member, rules):
        reasons.insert(0, "in the highest tier")
    if reasons:
        yield "High value", "; ".join(reasons)
        yield from member_since_rows(member)


def member_since_rows(member: Member) -> Iterator[tuple[str, str]]:
    """Yield the row of an alert that says since when one is a member."""
    if since := member.moment("first_joined_at"):
        yield "Member since", day_text(since)


def values(member: Member, rules: Rules) -> Iterator[Value]:
    """Yield the known amounts of a member: the annual fee in its own currency, credits and revenue in the shop's."""
    fee, own, shop = annual_fee(member, rules), member.currency or rules.currency, rules.currency
    if fee is not None:
        measured = rules.measures.annual_fee.get(own or "")
        yield Value("annual fee", fee, own, _from(rules, "high_value_annual_fee", own, measured))
    # Without the shop's currency it is not known what the amounts are; nor is it once the currency has changed.
    measures = rules.measures if shop and shop == rules.measures.currency else None
    balance, revenue = member.balance, member.money("revenue")
    if balance is not None:
        measured = measures.credits if measures else None
        yield Value("store credit", balance, shop, _from(rules, "high_value_credits", shop, measured))
    if revenue is not None:
        measured = measures.revenue if measures else None
        yield Value("lifetime revenue", revenue, shop, _from(rules, "high_value_revenue", shop, measured))


def _from(rules: Rules, name: AmountName, currency: str | None, measured: Decimal | None) -> Decimal | None:
    """Return the amount that is set, else the programme's own measure."""
    is_set = rules.amount_set(name, currency)
    return measured if is_set is None else is_set


def is_in_top_tier(member: Member, rules: Rules) -> bool:
    """Return whether no tier ranks higher. Where all tiers have one rank, none is the top tier."""
    ranks = {tier.rank for tier in rules.tiers.values() if tier.rank is not None}
    rank = _tier(member.text("tier_id"), rules).rank
    return len(ranks) > 1 and rank == max(ranks)


def annual_fee(member: Member, rules: Rules) -> Decimal | None:
    """Return what the member pays in a year: the tier's setting, else what events show; None where neither is known.

    A free tier and one for life bill nothing.
    """
    if _bills_nothing(member):
        return None
    set_fee = _tier(member.text("tier_id"), rules).annual_fee
    if set_fee is not None:
        return set_fee
    fee = member.money("fee_amount")
    if fee is None:
        fee = member.money("unpaid")
    return None if fee is None else fee * _FEES_A_YEAR[billing_interval(member, rules)]


def _bills_nothing(member: Member) -> bool:
    """Return whether the member's tier has no recurring fee, as far as its joining tells and nothing newer does."""
    joined = member.registers.get("tier_type")
    if joined is None or joined.value not in _WITHOUT_FEE:
        return False
    newer = (member.registers.get(name) for name in ("tier_changed_at", "last_payment_at"))
    return all(register is None or register.stamp <= joined.stamp for register in newer)


def billing_interval(member: Member, rules: Rules) -> Interval | None:
    """Return the billing interval: the tier's setting, else the days from the last payment to the date it named."""
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
