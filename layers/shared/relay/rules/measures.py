"""What the programme shows of itself: who stands out, which grants are usual, how often a fee is tried.

A merchant need not know a number to be told of a valuable member. Until one is set, a member is of high value whose
annual fee, balance or revenue is among the programme's highest tenth. The daily run computes the thresholds, and
only then do they change: all decisions of a day agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

TOP_SHARE: Final = Decimal("0.1")
"""The share of the running members that stand out, at most, when a threshold is computed."""

KEPT_FROM: Final = Decimal("0.05")
KEPT_TO: Final = Decimal("0.15")
"""A threshold stays in force while its share lies between these: otherwise members would flip day by day."""

MEMBERS_NEEDED: Final = 30
GRANTS_NEEDED: Final = 30
SEEN_FOR: Final = timedelta(days=90)
"""How far back grants and billing attempts count."""

TIMES_USUAL: Final = 10
"""A grant is unusual from so many times the median grant on."""

_DIGITS: Final = 2
_MOST_TIERS: Final = 200

Histogram: TypeAlias = Mapping[str, int]
"""How many amounts there are, by the amount at two digits."""

AttemptsSeen: TypeAlias = Mapping[str, Mapping[str, date]]
"""By tier id, and by the number of an attempt, the last day on which it failed."""


class Measures(BaseModel):
    """The programme's measures in force; a measure that is None says nothing, and then no member stands out by it.

    `annual_fee` is by currency. `credits`, `revenue` and `usual_grant` (the median) are in `currency`, the shop's
    when they were computed. `attempts_seen` is what `attempts_of` goes by.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    annual_fee: Mapping[str, Decimal] = Field(default_factory=dict)
    currency: str | None = None
    credits: Decimal | None = None
    revenue: Decimal | None = None
    usual_grant: Decimal | None = None
    attempts_seen: AttemptsSeen = Field(default_factory=dict)

    def attempts_of(self, tier_id: str | None) -> int | None:
        """Return the highest attempt seen lately in this tier; None where nothing shows how many there are."""
        return max(map(int, self.attempts_seen.get(tier_id or "", ())), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the daily run has counted of the members read so far: it keeps no list of them.

    `annual_fee` is by currency.
    """

    annual_fee: Mapping[str, Histogram] = field(default_factory=dict)
    credits: Histogram = field(default_factory=dict)
    revenue: Histogram = field(default_factory=dict)
    grants: Histogram = field(default_factory=dict)
    attempts_seen: AttemptsSeen = field(default_factory=dict)


def two_digits(amount: Decimal) -> Decimal:
    """Return an amount rounded down to two digits: 249 is 240, and 8.34 is 8.3."""
    if not amount:
        return Decimal(0)
    step = Decimal(1).scaleb(amount.adjusted() - _DIGITS + 1)
    return amount.quantize(step, rounding=ROUND_DOWN).normalize()


def counted(histogram: Histogram, amount: Decimal) -> Histogram:
    """Return the histogram with one more amount."""
    key = f"{two_digits(amount):f}"
    return {**histogram, key: histogram.get(key, 0) + 1}


def threshold(histogram: Histogram, in_force: Decimal | None) -> Decimal | None:
    """Return the amount from which on a member stands out; None where none does.

    It is the smallest amount that at most one member in ten reaches. Where more than a tenth share the highest
    amount (one tier, one price), no member stands out. The threshold in force stays while its share is about right.
    """
    counts = {Decimal(key): number for key, number in histogram.items()}
    members = sum(counts.values())
    if members < MEMBERS_NEEDED:
        return None
    if in_force is not None:
        reached = sum(number for amount, number in counts.items() if amount >= in_force)
        if KEPT_FROM <= Decimal(reached) / members <= KEPT_TO:
            return in_force
    found, above = None, 0
    for amount in sorted(counts, reverse=True):
        above += counts[amount]
        if amount <= 0 or above > TOP_SHARE * members:
            break
        found = amount
    return found


def measured(counts: Counts, before: Measures, currency: str | None, today: date) -> Measures:
    """Return the measures that follow from a whole run; `before` are those in force, `currency` is the shop's.

    Where the shop's currency has changed, nothing of what was in force compares with what was counted.
    """
    same = before if before.currency == currency else Measures()
    fees = {
        code: found
        for code, histogram in counts.annual_fee.items()
        if (found := threshold(histogram, before.annual_fee.get(code)))
    }
    return Measures(
        annual_fee=fees,
        currency=currency,
        credits=threshold(counts.credits, same.credits) if currency else None,
        revenue=threshold(counts.revenue, same.revenue) if currency else None,
        usual_grant=median_grant(counts.grants) if currency else None,
        attempts_seen=_lately_seen(before.attempts_seen, counts.attempts_seen, today),
    )


def with_attempt(seen: AttemptsSeen, tier_id: str, attempt: int, day: date) -> AttemptsSeen:
    """Return what was seen with one more failed attempt; of one number the latest day is kept."""
    numbers = seen.get(tier_id, {})
    if not numbers and len(seen) >= _MOST_TIERS:
        return seen
    latest = max(day, numbers.get(str(attempt), day))
    return {**seen, tier_id: {**numbers, str(attempt): latest}}


def _lately_seen(before: AttemptsSeen, found: AttemptsSeen, today: date) -> AttemptsSeen:
    """Return both together without what is older than `SEEN_FOR`."""
    seen: AttemptsSeen = {}
    for each in (before, found):
        for tier_id, numbers in each.items():
            for attempt, day in numbers.items():
                if today - day <= SEEN_FOR:
                    seen = with_attempt(seen, tier_id, int(attempt), day)
    return seen


def median_grant(histogram: Histogram) -> Decimal | None:
    """Return the median of the grants, at two digits; None where there are too few."""
    total, seen = sum(histogram.values()), 0
    if total < GRANTS_NEEDED:
        return None
    for amount in sorted(map(Decimal, histogram)):
        seen += histogram[f"{amount:f}"]
        if 2 * seen >= total:
            return amount
    return None
