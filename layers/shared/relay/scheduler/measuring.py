"""Counts, member by member, what the programme's measures are computed from. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from relay.model.member import Member
from relay.rules.measures import SEEN_FOR, Counts, counted, with_attempt
from relay.rules.segments import values
from relay.rules.settings import BILLING_ATTEMPTS, Rules

_MOST_CURRENCIES: Final = 12
"""Currencies of fees that are measured: the counts have to stay a small item."""

_NOT_RUNNING: Final = frozenset({"cancelled", "none"})


def add_to_counts(counts: Counts, member: Member, rules: Rules, at: datetime) -> Counts:
    """Return the counts with one more member, as of `at`."""
    found = counts
    for tier_id, attempt, failed_at in _attempts(member):
        if at - SEEN_FOR <= failed_at:
            seen = with_attempt(found.attempts_seen, tier_id, attempt, failed_at.date())
            found = replace(found, attempts_seen=seen)
    for grant in _grants(member, at):
        found = replace(found, grants=counted(found.grants, grant))
    return found if member.status in _NOT_RUNNING else _with_values(found, member, rules)


def _with_values(counts: Counts, member: Member, rules: Rules) -> Counts:
    """Return the counts with a running member's amounts."""
    for value in values(member, rules):
        amount = max(value.amount, Decimal(0))
        match value.name:
            case "annual fee" if value.currency and _has_room(counts, value.currency):
                fees = counted(counts.annual_fee.get(value.currency, {}), amount)
                counts = replace(counts, annual_fee={**counts.annual_fee, value.currency: fees})
            case "store credit":
                counts = replace(counts, credits=counted(counts.credits, amount))
            case "lifetime revenue":
                counts = replace(counts, revenue=counted(counts.revenue, amount))
            case _:
                pass
    return counts


def _has_room(counts: Counts, currency: str) -> bool:
    return currency in counts.annual_fee or len(counts.annual_fee) < _MOST_CURRENCIES


def _grants(member: Member, at: datetime) -> Iterator[Decimal]:
    """Yield the grants of the last months, as far as the record remembers a member's changes of balance."""
    for change in member.balance_chain:
        if change.previous is not None and change.new > change.previous and at - SEEN_FOR <= change.at <= at:
            yield change.new - change.previous


def _attempts(member: Member) -> Iterator[tuple[str, int, datetime]]:
    """Yield the tier, number and time of each attempt that shows how many there are: the last, or one beyond the default.

    The tier is the one that the member had then, where the record knows it.
    """
    for each in member.milestones:
        tier_id = member.tier_before(each.number) if each.kind == "failed" else None
        if tier_id and each.attempt and (each.is_final or each.attempt > BILLING_ATTEMPTS):
            yield tier_id, each.attempt, each.at
