"""Tells whether a failed fee of a member is open, and how many attempts at it have failed.

A fee is open from its first failure until a payment, an ending or a new beginning of the membership settles it. Events
say so, or a reading of the API does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.model import billing
from relay.model.milestones import newest_number

if TYPE_CHECKING:
    from relay.model.member import Member
    from relay.model.milestones import Cycle
    from relay.model.registers import Register
    from relay.model.stamps import Stamp


def is_open(member: Member) -> bool:
    """Return whether a failed fee is open: the membership goes on, and nothing has settled the fee since."""
    return not member.ended_at and (_is_told(member) or _is_found(member))


def is_lost(member: Member) -> bool:
    """Return whether the fee that is open has failed for good: an event says so, or the reading that found it."""
    return bool(member.moment("payment_lost_at")) or (_is_found(member) and _found(member) == "failed")


def is_of(member: Member, register: Register) -> bool:
    """Return whether a failure of this register's time is one of the fee that is open."""
    if not is_open(member):
        return False
    if cycle := _open_cycle(member):
        return register.stamp.number >= cycle.failures[0].number
    # What an earlier fee's failure told is not of the one that a reading has found.
    return _is_told(member) or register.stamp >= member.registers["found_status"].stamp


def failed_attempts(member: Member) -> int | None:
    """Return how many attempts at the open fee have failed; None where none is open. A failure without a number counts as one."""
    if not is_open(member):
        return None
    register, cycle = member.registers.get("failed_attempts"), _open_cycle(member)
    is_own = register is not None and is_of(member, register)
    told = register.value if register and is_own and isinstance(register.value, int) else 1
    if cycle is None:
        return told
    is_of_cycle = register is not None and register.stamp.number >= cycle.failures[0].number
    return max(cycle.attempts, told if is_of_cycle else 1)


def _is_told(member: Member) -> bool:
    """Return whether the events alone show a failed fee that nothing has settled since."""
    failed = _newest_failure(member)
    if failed is None:
        return False
    has_milestone = any(each.kind == "failed" and each.number == failed.number for each in member.milestones)
    return not has_milestone or _open_cycle(member) is not None


def _newest_failure(member: Member) -> Stamp | None:
    known = (member.registers.get(name) for name in ("last_failure_at", "failed_attempts", "payment_lost_at"))
    return max((one.stamp for one in known if one and one.value is not None), default=None)


def _is_found(member: Member) -> bool:
    """Return whether a reading has found a failed fee, and no payment and no beginning or end of the billing is newer."""
    found = member.registers.get("found_status")
    if found is None or found.value not in {"failed", "past_due"}:
        return False
    settled = newest_number(each for each in member.milestones if each.kind in {"paid", "joined"})
    return found.stamp.number > settled and billing.runs(member, found)


def _found(member: Member) -> object:
    found = member.registers.get("found_status")
    return found.value if found else None


def _open_cycle(member: Member) -> Cycle | None:
    cycles = member.history.cycles
    return cycles[-1] if cycles and cycles[-1].end is None else None
