"""Tells what is known of values that mean something together: a tier with its name and kind, a change of credit.

The id is the key of a tier. An event may bring an id without a name, or a name without an id; a name beside the id
of another tier would be worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.model.balance_chain import last_change
from relay.model.milestones import WITHOUT_A_FEE, tier_at, tier_key
from relay.model.stamps import READING, rank_of

if TYPE_CHECKING:
    from relay.model.fields import Value
    from relay.model.member import Member
    from relay.model.registers import Register


def tier_name(member: Member) -> Value:
    """Return the name that was told of the tier; None where the newest one came without its tier's id, or of another tier."""
    register, tier = member.registers.get("tier_name"), member.registers.get("tier_id")
    if register is None or tier is None or tier.value is None:
        return register.value if register else None
    if READING in {rank_of(register.stamp.number), rank_of(tier.stamp.number)}:
        return (
            register.value
        )  # a reading that found another tier has brought its name, or cleared the one before
    is_without_id = register.stamp > tier.stamp
    return register.value if not is_without_id and _is_of(member, register, tier) else None


def tier_type(member: Member) -> Value:
    """Return the kind that the latest joining told; not that a tier bills nothing, where the member has left it since.

    A move between tiers names no kind. Most lead from one paid tier to another, so paid and trial stay.
    """
    register, tier = member.registers.get("tier_type"), member.registers.get("tier_id")
    if register is None or tier is None or tier.stamp <= register.stamp:
        return register.value if register else None
    is_left = register.value in WITHOUT_A_FEE and not _is_of(member, register, tier)
    return None if is_left else register.value


def last_credit_delta(member: Member) -> Value:
    """Return the last change of credit. Of several within one millisecond it is the one that led to the balance."""
    register, last = member.registers.get("last_credit_delta"), last_change(member.balance_chain)
    if register is None or last is None or last.previous is None or last.at != register.at:
        return register.value if register else None
    if (expired := member.registers.get("credits_expired_at")) and expired.at == last.at:
        return register.value  # what expired in that millisecond is no change of credit
    return last.new - last.previous


def _is_of(member: Member, register: Register, tier: Register) -> bool:
    """Return whether a register was set in the tier that the member has now."""
    if register.stamp == tier.stamp:
        return True
    return tier_at(member.milestones, register.stamp.number) == tier_key(str(tier.value))
