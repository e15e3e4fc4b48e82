"""Tells what is known of values that mean something together: a tier with its name, a change of credit.

The id is the key of a tier. An event may bring an id without a name; the name of the tier before, beside it, would be
worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.model.balance_chain import last_change
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
    """Return the last change of credit. Of several within one millisecond it is the one that led to the balance."""
    register, last = member.registers.get("last_credit_delta"), last_change(member.balance_chain)
    if register is None or last is None or last.previous is None or last.at != register.at:
        return register.value if register else None
    if (expired := member.registers.get("credits_expired_at")) and expired.at == last.at:
        return register.value  # what expired in that millisecond is no change of credit
    return last.new - last.previous
