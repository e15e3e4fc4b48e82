"""Handles a joining, for all four topics: the member is active in the tier, and earlier endings no longer count."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, TypeAlias

from inveterate.webhooks.account import JoinedFreeTier, JoinedFreeTrial, JoinedLifetimeTier, JoinedPaidTier

from relay.model.effects import MEMBER, Alert, Effects, Level
from relay.model.facts import Facts, known, pick
from relay.model.fields import Value
from relay.model.formats import day_text
from relay.model.member import Member
from relay.model.milestones import Milestone
from relay.rules import cancellation
from relay.rules.pairs import is_told, pair_effects
from relay.rules.settings import Rules
from relay.rules.standing import standing_alerts
from relay.rules.timeline import note

_LONGEST_IN_KEY: Final = 64

_CLEARED: Final = (
    "cancelled_at",
    "cancel_type",
    "cancel_reason",
    "pending_since",
    "pending_cancel_at",
    "pending_cancel_source",
    "found_status",
    "found_since",
)
"""Fields that a joining clears: those of cancellations."""

JoinedEvent: TypeAlias = JoinedPaidTier | JoinedFreeTier | JoinedFreeTrial | JoinedLifetimeTier


def joining_facts(event: JoinedEvent, *more: Mapping[str, Value], tier_type: str) -> Facts:
    """Return the facts of a joining: the tier, the date, and that no ending or failure is open any more.

    A move down to a free tier sets the same fields. It is no joining, and only a joining is a milestone.
    """
    return Facts.of(
        event,
        dict.fromkeys(_CLEARED),
        # A trial that is told again without its end keeps it.
        {} if tier_type == "trial" else {"trial_ends_at": None},
        known(event.payload, tier_id="tier_id"),
        # A name that this event lacks stays, if it is the same tier's (`together.py`).
        known(event.detail, tier_name="tier_name"),
        pick(
            event.detail,
            previous_tier_id="previous_tier_id",
            previous_tier_name="previous_tier_name",
        ),
        {"tier_type": tier_type, "joined_at": event.occurred_at, "first_joined_at": event.occurred_at},
        *more,
        milestone=Milestone(
            kind="moved" if is_move(event) else "joined", detail=tier_type, tier=event.payload.tier_id
        ),
    )


def is_move(event: JoinedEvent) -> bool:
    """Return whether the event is a move down to a free tier and no joining: then it names the tier left behind."""
    return isinstance(event, JoinedFreeTier) and bool(event.detail.previous_tier_id)


def joining_effects(event: JoinedEvent, before: Member, after: Member, rules: Rules, *, rule: str) -> Effects:
    """Yield the note and KPIs of a joining, and the alerts that resolve the incidents of an ending."""
    moved = is_move(event)
    # Only joinings set the tier's type. A snapshot sets the joining date as well, and may be newer.
    is_latest = "tier_type" in after.fields_from(event.id) and after.ended_at is None
    told = is_told(before, after, "joined")
    if not moved and told:
        fee = after.money("fee_amount") if rule == "join.paid" else None
        currency = after.text("fee_currency") if fee is not None else None
        again = any(pair.later not in before.milestones for pair in after.rejoinings)
        yield note(rule, "Membership Joined", after, amount=fee, currency=currency, again=again)
    yield from pair_effects(before, after, rules)
    if is_latest and told and rules.announce_joins and rule == "join.paid":
        yield _announcement(event, after)
    yield from standing_alerts(before, after, rules, at=event.occurred_at)
    if is_latest and before.ended_at and not moved:
        yield Alert(
            rule="join.again",
            incident_key=cancellation.ending_incident_key(before),
            action="resolve",
            level=Level.INFO,
            title=f"{MEMBER} is back",
            advice="Nothing is left to do.",
        )


def _tier_in_key(member: Member) -> str:
    """Return the tier's id for a key, which messages show as it is; the hash of one that could be a link or a page of text."""
    tier = member.text("tier_id") or ""
    is_plain = len(tier) <= _LONGEST_IN_KEY and all(char.isalnum() or char in "-_" for char in tier)
    return tier if is_plain else hashlib.sha256(tier.encode()).hexdigest()[:16]


def _announcement(event: JoinedEvent, after: Member) -> Alert:
    return Alert(
        rule="join.paid",
        incident_key=f"join:{after.key}:{_tier_in_key(after)}:{day_text(event.occurred_at)}",
        level=Level.INFO,
        immediate=True,
        one_off=True,
        title=f"{MEMBER} joined",
        advice="Nothing to do, unless you greet new members yourself.",
    )
