"""Finds the inconsistencies in a member's record: signs that it may be wrong and that the API should be read.

Events arrive late and out of order, so an inconsistency proves nothing yet. It is checked again some minutes later,
and only one that is still in the record costs a call of the API (`reconcile/reconciler.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from relay.model.balance_chain import has_gap
from relay.model.effects import Recheck
from relay.model.member import PLATFORM_STATUSES, Member

NO_EMAIL: Final = "no_email"
BALANCE_GAP: Final = "balance_gap"
EVIDENCE: Final = "evidence"
FROM_THE_FUTURE: Final = "future"

_FOUND_BY_EVENTS: Final = (BALANCE_GAP, EVIDENCE)
"""A missing e-mail address is not among them: the sync with a CRM asks for that recheck itself."""

_STATUS_FROM: Final = ("cancelled_at", "pending_cancel_at", "found_status")


def inconsistencies(member: Member) -> frozenset[str]:
    """Return the reasons why the record may be wrong, as far as the record itself shows."""
    checks = {
        NO_EMAIL: not member.value("email") and not member.value("anonymized"),
        BALANCE_GAP: has_gap(member.balance_chain),
        EVIDENCE: _contradicted(member),
    }
    return frozenset(reason for reason, is_wrong in checks.items() if is_wrong)


def new_rechecks(before: Member, after: Member) -> Iterator[Recheck]:
    """Yield a recheck for each inconsistency that is new; an earlier one already has a recheck."""
    new = inconsistencies(after) - inconsistencies(before)
    return (recheck(reason) for reason in _FOUND_BY_EVENTS if reason in new)


def recheck(reason: str) -> Recheck:
    """Return the effect that asks for a recheck."""
    return Recheck(rule=f"recheck.{reason}", reason=reason)


def _contradicted(member: Member) -> bool:
    return _status_differs(member) or _tier_differs(member) or _balance_differs(member)


def _status_differs(member: Member) -> bool:
    agreeing = PLATFORM_STATUSES.get((member.text("seen_status") or "").upper())
    return (
        agreeing is not None
        and member.status not in agreeing
        and _seen_since(member, "seen_status", *_STATUS_FROM)
    )


def _tier_differs(member: Member) -> bool:
    # After the membership's end the record keeps the last tier, and the platform may not.
    if member.status == "cancelled" or "seen_tier_id" not in member.registers:
        return False
    differs = member.value("seen_tier_id") != member.value("tier_id")
    return differs and _seen_since(member, "seen_tier_id", "tier_id")


def _balance_differs(member: Member) -> bool:
    seen = member.money("seen_balance")
    # A member without credits has a zero in the snapshot, and no event that says so.
    differs = seen is not None and seen != (member.money("credit_balance") or Decimal(0))
    return differs and _seen_since(member, "seen_balance", "credit_balance")


def _seen_since(member: Member, seen: str, *names: str) -> bool:
    """Return whether the evidence `seen` is at least as new as the fields of these names."""
    at = member.registers[seen].at
    return all(member.registers[name].at <= at for name in names if name in member.registers)
