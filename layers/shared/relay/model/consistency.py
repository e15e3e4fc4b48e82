"""Finds the inconsistencies in a member's record: signs that it may be wrong and that the API should be read.

Events arrive late and out of order, so an inconsistency proves nothing yet. It is checked again some minutes later,
and only one that is still in the record costs a call of the API (`reconcile/reconciler.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from relay.model.balance_chain import balance, has_gap
from relay.model.effects import Recheck
from relay.model.erasure import open_claim
from relay.model.member import PLATFORM_STATUSES, Member
from relay.model.milestones import FOUND, WITHOUT_A_FEE

NO_EMAIL: Final = "no_email"
BALANCE_GAP: Final = "balance_gap"
BALANCE_UNDECIDED: Final = "balance_undecided"
EVIDENCE: Final = "evidence"
ERASURE: Final = "erasure"
PAID_AFTER_END: Final = "paid_after_end"
AFTER_END: Final = "after_end"
PAID_PART: Final = "paid_part"
OVERDUE_END: Final = "overdue_end"
OVERDUE_TRIAL: Final = "overdue_trial"
OTHER_TIER: Final = "other_tier"
UNKNOWN_WORD: Final = "unknown_word"
UNDATED: Final = "undated"
RETRIED: Final = "retried"
TIED: Final = "tied"
ASKED: Final = "asked"
IDENTITY_CONFLICT: Final = "identity_conflict"
SUBJECT_MISSING: Final = "subject_missing"

NOT_IN_THE_RECORD: Final = frozenset(
    {UNDATED, RETRIED, TIED, ASKED, IDENTITY_CONFLICT, SUBJECT_MISSING, UNKNOWN_WORD, OTHER_TIER}
)
"""Reasons that an event or an operator gives and the record need not show: the API is read without a second look at the record.

An event's own doubts are among them (`Event.doubts`): what it did not say, no record has. An unknown word and another
tier may be in the record, and may be in the event alone.
"""

TRIAL_OVERDUE: Final = timedelta(days=3)
"""So long after its end a trial has become something else, and no topic says what."""

LAST_ATTEMPT: Final = timedelta(days=1)
"""So long after the end of what is billed its last failed attempt may still be told, and contradicts nothing."""

_STATUS_FROM: Final = ("cancelled_at", "pending_since", "pending_cancel_at", "found_status")


def inconsistencies(member: Member) -> frozenset[str]:
    """Return the reasons why the record may be wrong, as far as the record itself shows."""
    return frozenset(reason for reason, shows in _CHECKS.items() if shows(member))


def new_rechecks(before: Member, after: Member) -> Iterator[Recheck]:
    """Yield a recheck for each inconsistency that is new; an earlier one already has a recheck.

    A missing e-mail address is not among them: the sync with a CRM asks for that recheck itself.
    """
    new = inconsistencies(after) - inconsistencies(before)
    return (recheck(reason) for reason in _CHECKS if reason in new and reason != NO_EMAIL)


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
    differs = seen is not None and seen != (member.balance or Decimal(0))
    newest = member.balance_chain[-1].at if member.balance_chain else None
    return differs and (newest is None or newest <= member.registers["seen_balance"].at)


def _seen_since(member: Member, seen: str, *names: str) -> bool:
    """Return whether the evidence `seen` is at least as new as the fields of these names."""
    at = member.registers[seen].at
    return all(member.registers[name].at <= at for name in names if name in member.registers)


def _is_answered(member: Member, at: datetime | None) -> bool:
    """Return whether the API was read since a moment: what contradicted the record then has been looked up."""
    read_at = member.moment("read_at")
    return at is None or (read_at is not None and read_at >= at)


def _paid_after_end(member: Member) -> bool:
    """Return whether a fee was paid after the end: of the membership, of its billing, or the one that was announced."""
    paid_at = member.moment("last_payment_at")
    if paid_at is None or _is_answered(member, paid_at):
        return False
    announced = member.moment("pending_cancel_at") if member.is_leaving else None
    ended = [end for end in (member.ended_at, _without_a_fee_since(member), announced) if end]
    return any(end <= paid_at for end in ended)


def _without_a_fee_since(member: Member) -> datetime | None:
    """Return since when the member is in a tier without a fee, as far as joinings tell it."""
    entered = [each for each in member.milestones if each.kind in {"joined", "moved"} and each.detail]
    return entered[-1].at if entered and entered[-1].detail in WITHOUT_A_FEE else None


def _after_end(member: Member) -> bool:
    """Return whether something newer than the end is told that only a running membership has.

    A request to cancel, a move to another tier; a fee that failed, also in a tier without one. No topic reports a
    reactivation, so this may be all that is heard of it.
    """
    ended, free = member.ended_at, _without_a_fee_since(member)
    over = [end for end in (ended, free) if end]
    failed = [each.at for each in member.milestones if each.kind == "failed"][-1:]
    moved = [each.at for each in member.milestones if each.kind == "moved" and each.detail != FOUND][-1:]
    asked = member.moment("pending_since")
    against = [at for at in failed if any(end + LAST_ATTEMPT <= at for end in over)]
    against += [at for at in (*moved, asked) if at and ended and ended <= at]
    return any(not _is_answered(member, at) for at in against)


def _paid_part(member: Member) -> bool:
    """Return whether a payment came after the open failure, and did not close it: it was a part of the fee."""
    failed_at, paid_at = member.moment("last_failure_at"), member.moment("last_payment_at")
    return (
        failed_at is not None
        and paid_at is not None
        and paid_at > failed_at
        and not _is_answered(member, paid_at)
    )


def _overdue_end(member: Member) -> bool:
    """Return whether the announced end has passed, by the newest fact, and the membership goes on."""
    ends_at = member.moment("pending_cancel_at") if member.is_leaving and not member.ended_at else None
    return _is_past(member, ends_at, timedelta(days=1))


def _overdue_trial(member: Member) -> bool:
    ends_at = member.moment("trial_ends_at") if member.status == "trialing" else None
    return _is_past(member, ends_at, TRIAL_OVERDUE)


def _is_past(member: Member, moment: datetime | None, by: timedelta) -> bool:
    newest = member.newest_at
    return (
        moment is not None
        and newest is not None
        and newest - moment > by
        and not _is_answered(member, moment + by)
    )


def _other_tier(member: Member) -> bool:
    """Return whether an ending or a payment names another tier than the member's."""
    return any(not _is_answered(member, each.at) for each in member.history.foreign)


def _unknown_word(member: Member) -> bool:
    """Return whether a status or the source of an ending is a word that Relay does not know."""
    seen = member.registers.get("seen_status")
    word = member.text("seen_status")
    is_unknown = bool(word) and str(word).strip().upper() not in PLATFORM_STATUSES
    moments = [seen.at] if seen and is_unknown else []
    moments += [each.at for each in member.milestones if each.kind == "ended" and each.detail == "unknown"]
    return any(not _is_answered(member, at) for at in moments)


_CHECKS: Final[Mapping[str, Callable[[Member], bool]]] = {
    NO_EMAIL: lambda member: not member.value("email") and not member.is_erased,
    BALANCE_GAP: lambda member: has_gap(member.balance_chain),
    BALANCE_UNDECIDED: lambda member: not balance(member.balance_chain).is_certain,
    EVIDENCE: _contradicted,
    ERASURE: lambda member: open_claim(member) is not None,
    PAID_AFTER_END: _paid_after_end,
    AFTER_END: _after_end,
    PAID_PART: _paid_part,
    OVERDUE_END: _overdue_end,
    OVERDUE_TRIAL: _overdue_trial,
    OTHER_TIER: _other_tier,
    UNKNOWN_WORD: _unknown_word,
}
"""What the record alone shows. A reading of the API answers a contradiction: it is asked about once."""
