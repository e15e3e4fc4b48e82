"""Entering a tier, by whichever of the four joining topics: the member is in, and nothing that ended counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from inveterate.webhooks.account import JoinedFreeTier, JoinedFreeTrial, JoinedLifetimeTier, JoinedPaidTier

from relay.model.effects import Alert, Effects, Kpi, Level
from relay.model.facts import Facts, pick
from relay.model.fields import Value
from relay.model.formats import day_text
from relay.model.member import Member
from relay.rules import cancellation, dunning
from relay.rules.settings import Rules
from relay.rules.timeline import note

_OVER: Final = (
    "cancelled_at",
    "cancel_type",
    "cancel_reason",
    "pending_cancel_at",
    "pending_cancel_source",
    "found_status",
    *dunning.STATE,
)
"""What a joining ends: cancellations, and the dunning that led to them."""


JoinedEvent: TypeAlias = JoinedPaidTier | JoinedFreeTier | JoinedFreeTrial | JoinedLifetimeTier


def entered(event: JoinedEvent, *more: Mapping[str, Value], tier_type: str) -> Facts:
    """Return what a joining tells: the tier, since when, and that all endings are over."""
    return Facts.of(
        event,
        dict.fromkeys((*_OVER, "trial_ends_at")),
        pick(event.payload, tier_id="tier_id"),
        pick(
            event.detail,
            tier_name="tier_name",
            previous_tier_id="previous_tier_id",
            previous_tier_name="previous_tier_name",
        ),
        {"tier_type": tier_type, "joined_at": event.occurred_at, "first_joined_at": event.occurred_at},
        *more,
        milestone=None if is_move(event) else "joined",
    )


def is_move(event: JoinedEvent) -> bool:
    """Tell whether a member merely moved down into a free tier: then it names the tier that was left."""
    return isinstance(event, JoinedFreeTier) and bool(event.detail.previous_tier_id)


def welcomed(event: JoinedEvent, before: Member, after: Member, rules: Rules, *, rule: str) -> Effects:
    """Yield what follows from a joining: it is noted and counted, and what was told of an end is closed."""
    moved = is_move(event)
    # Only joinings tell the kind of tier; when one joined, a snapshot tells as well, and it may be newer.
    pick = "tier_type" in after.fields_from(event.id) and after.ended_at is None
    back = pick and not moved and before.ended_at is not None
    if not moved:
        fee = after.money("fee_amount") if rule == "join.paid" else None
        currency = after.text("fee_currency") if fee is not None else None
        yield note(rule, "Membership Joined", after, amount=fee, currency=currency, again=back)
        yield Kpi(rule=rule, name="joined_paid" if rule == "join.paid" else "joined")
    if back:
        yield note("join.again", "Membership Rejoined", after, times=len(after.rejoin_times) or None)
        yield Kpi(rule="join.again", name="rejoined")
    if pick and rules.announce_joins and rule == "join.paid":
        yield _announced(event, after)
    if pick:
        yield from _closed(before, after, moved=moved)


def _announced(event: JoinedEvent, after: Member) -> Alert:
    return Alert(
        rule="join.paid",
        incident_key=f"join:{after.key}:{after.text('tier_id') or ''}:{day_text(event.occurred_at)}",
        level=Level.INFO,
        at_once=True,
        lasting=False,
        title="A member joined",
    )


def _closed(before: Member, after: Member, *, moved: bool) -> Effects:
    """Close what a joining ends: a dunning, a pending cancellation, and what was told of an ending."""
    if before.is_failing and not after.is_failing:
        went = "moved to a free tier" if moved else "joined anew"
        yield dunning.closing("dunning.rejoined", f"The member {went} while the fee was open", before)
    if cancellation.incident_key(before) and not cancellation.incident_key(after):
        yield cancellation.resumed(before, "The member stays: a tier was entered anew")
    if before.moment("cancelled_at") and not moved:
        yield Alert(
            rule="join.again",
            incident_key=cancellation.gone_incident_key(before),
            action="close",
            level=Level.INFO,
            title="The member is back",
        )
