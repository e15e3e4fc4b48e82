"""Tells what is known of values that mean something together: a tier with its name, a change of credit.

The id is the key of a tier. An event may bring an id without a name; the name of the tier before, beside it, would be
worse than none.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from relay.model.balance_chain import leading_change
from relay.model.milestones import tier_at, tier_key
from relay.model.stamps import READING, rank_of

if TYPE_CHECKING:
    from relay.model.fields import Value
    from relay.model.member import Member


def tier_name(member: Member) -> Value:
    """Return the name that was told last; None where a tier's id came after it without a name, and is another tier's.

    A name that came after the id, without one, is the newest that is known of the tier: the API is asked for its id.
    """
    register, tier = member.registers.get("tier_name"), member.registers.get("tier_id")
    if register is None or tier is None or tier.value is None or register.stamp >= tier.stamp:
        return register.value if register else None
    if READING in {rank_of(register.stamp.number), rank_of(tier.stamp.number)}:
        # A reading that found another tier has brought its name, or cleared the one before.
        return register.value
    is_of_this_tier = tier_at(member.milestones, register.stamp.number) == tier_key(str(tier.value))
    return register.value if is_of_this_tier else None


def last_credit_delta(member: Member) -> Value:
    """Return the last change of credit. Of several within one second it is the one that led to the balance."""
    told, led = member.registers.get("last_credit_delta"), _leading_change(member)
    return led if led is not None else told.value if told else None


def last_credit_reason(member: Member) -> Value:
    """Return the reason of the last change of credit; None where only that of another change within its second is known."""
    told, led = member.registers.get("last_credit_delta"), _leading_change(member)
    reason = member.registers.get("last_credit_reason")
    is_of_another = led is not None and told is not None and told.value != led
    return None if reason is None or is_of_another else reason.value


def _leading_change(member: Member) -> Decimal | None:
    """Return the change that led to the balance within the second of the newest change; None where that one stands as told."""
    told = member.registers.get("last_credit_delta")
    last = leading_change(member.balance_chain, told.at) if told and told.value is not None else None
    if last is None or last.previous is None:
        return None
    expired = member.registers.get("credits_expired_at")
    if expired and expired.at == last.at and last.new < last.previous:
        return None  # what expired is no change of credit
    return last.new - last.previous
