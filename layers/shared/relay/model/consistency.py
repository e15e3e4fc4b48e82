"""When a member's record may be wrong, and why: what the rest of Relay asks the API about.

A doubt is no finding. Events come late and out of order, so it is looked at again some minutes later, and
only a doubt that still stands costs a call (`reconciling.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from relay.model.balance_chain import has_gap
from relay.model.effects import Recheck
from relay.model.member import Member

NO_EMAIL: Final = "no_email"
BALANCE_GAP: Final = "balance_gap"
EVIDENCE: Final = "evidence"
FROM_THE_FUTURE: Final = "future"

_BY_EVENTS: Final = (BALANCE_GAP, EVIDENCE)
"""Doubts that an event raises. A missing e-mail matters only to who has to write to it: a CRM's mirror asks."""

_STATUSES: Final[Mapping[str, frozenset[str]]] = {
    # The platform does not tell trials and late payments from the rest; and of a member of whom nothing
    # is known, "active" is no news that anybody would have to ask about.
    "ACTIVE": frozenset({"active", "trialing", "past_due", "none"}),
    "PENDING_CANCELLATION": frozenset({"pending_cancellation"}),
    "CANCELLED": frozenset({"cancelled"}),
}
"""The platform's words for a status, and ours that mean it. It names these three as examples only."""

_STATUS_FROM: Final = ("cancelled_at", "pending_cancel_at", "found_status")


def inconsistencies(member: Member) -> frozenset[str]:
    """Return why the record may be wrong, as far as the record itself shows."""
    found = {
        NO_EMAIL: not member.value("email") and not member.value("anonymized"),
        BALANCE_GAP: has_gap(member.balance_chain),
        EVIDENCE: _contradicted(member),
    }
    return frozenset(reason for reason, holds in found.items() if holds)


def new_rechecks(before: Member, after: Member) -> Iterator[Recheck]:
    """Ask for a look at the doubts that are new: those that stood before have been asked about."""
    new = inconsistencies(after) - inconsistencies(before)
    return (recheck(reason) for reason in _BY_EVENTS if reason in new)


def recheck(reason: str) -> Recheck:
    """Return the effect that asks for a look."""
    return Recheck(rule=f"recheck.{reason}", reason=reason)


def _contradicted(member: Member) -> bool:
    return _status_differs(member) or _tier_differs(member) or _balance_differs(member)


def _status_differs(member: Member) -> bool:
    meant = _STATUSES.get((member.text("seen_status") or "").upper())
    return (
        meant is not None and member.status not in meant and _seen_since(member, "seen_status", *_STATUS_FROM)
    )


def _tier_differs(member: Member) -> bool:
    # Who has left has no tier to differ in: the record keeps the last one, the platform may not.
    if member.status == "cancelled" or "seen_tier_id" not in member.registers:
        return False
    differs = member.value("seen_tier_id") != member.value("tier_id")
    return differs and _seen_since(member, "seen_tier_id", "tier_id")


def _balance_differs(member: Member) -> bool:
    seen = member.money("seen_balance")
    # Who never had credits has none in the snapshot; that no event told a zero is no contradiction.
    differs = seen is not None and seen != (member.money("credit_balance") or Decimal(0))
    return differs and _seen_since(member, "seen_balance", "credit_balance")


def _seen_since(member: Member, seen: str, *told: str) -> bool:
    """Tell whether the evidence is at least as new as what the record says."""
    at = member.registers[seen].at
    return all(member.registers[name].at <= at for name in told if name in member.registers)
