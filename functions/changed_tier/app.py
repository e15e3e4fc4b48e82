"""customer.changed_tier: the member moved to another tier. A move down by a high-value member is an alert."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from inveterate.webhooks.account import ChangedTier
from relay.model.effects import MEMBER, Alert, Effects, Kpi, Level
from relay.model.facts import Facts, known, pick
from relay.model.formats import day_text, detail_rows
from relay.model.member import Member
from relay.model.milestones import Milestone
from relay.rules.pairs import is_new_move, pair_effects
from relay.rules.segments import direction, is_high_value
from relay.rules.settings import Rules
from relay.rules.standing import standing_alerts
from relay.rules.timeline import note
from relay.wiring.topics import consumer

UNDONE_WITHIN: Final = timedelta(hours=1)
"""A move back within this time undoes the first move."""


def facts(event: ChangedTier) -> Facts:
    """Return the tier, the previous tier, and the time of the change."""
    return Facts.of(
        event,
        known(event.payload, tier_id="tier_id"),
        # Where the event names none, the tier before an earlier move is not the one before this.
        dict.fromkeys(("previous_tier_id", "previous_tier_name")),
        known(event.detail, tier_name="tier_name"),
        pick(
            event.detail,
            previous_tier_id="previous_tier_id",
            previous_tier_name="previous_tier_name",
        ),
        {"tier_changed_at": event.occurred_at},
        milestone=Milestone(kind="moved", tier=event.payload.tier_id),
    )


def decide(event: ChangedTier, before: Member, after: Member, rules: Rules) -> Effects:
    """Note the move; alert on a high-value member's move down, and resolve that alert if the member moves back at once."""
    move = event.detail
    move_direction = direction(move.previous_tier_id, event.payload.tier_id, rules)
    is_told = is_new_move(before, after)
    if is_told:
        yield note(
            "tier.changed",
            "Membership Tier Changed",
            after,
            direction=move_direction,
            previous_tier_name=move.previous_tier_name,
        )
        if move_direction:
            yield Kpi(rule="tier.changed", name="tier_up" if move_direction == "up" else "tier_down")
    yield from pair_effects(before, after, rules)
    yield from standing_alerts(before, after, rules, at=event.occurred_at)
    if "tier_changed_at" not in after.fields_from(event.id):
        return
    left_at, moved_at = before.moment("tier_changed_at"), after.moment("tier_changed_at")
    is_back = event.payload.tier_id == before.text("previous_tier_id")
    if is_back and left_at and moved_at and moved_at - left_at <= UNDONE_WITHIN:
        yield Alert(
            rule="tier.back",
            incident_key=f"tier:{after.key}:{day_text(left_at)}",
            action="resolve",
            level=Level.INFO,
            title=f"{MEMBER} moved back to the former tier",
            advice="Nothing is left to do.",
        )
    elif is_told and move_direction == "down" and is_high_value(before, rules):
        yield Alert(
            rule="tier.changed",
            incident_key=f"tier:{after.key}:{day_text(moved_at)}",
            level=Level.WARNING,
            one_off=True,
            title=f"{MEMBER} moved to a lower tier",
            details=detail_rows(("From", move.previous_tier_name), ("To", move.tier_name)),
            advice="Ask what was missing: a member that moves down often leaves next.",
        )


handler = consumer(ChangedTier, facts, decide)
