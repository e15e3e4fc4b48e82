"""customer.updated: the platform wrote the member's record. The profile follows; the rest is evidence."""

from __future__ import annotations

from inveterate.webhooks.account import Updated
from relay.model.effects import Effects
from relay.model.facts import Facts, known, pick
from relay.model.member import Member
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: Updated) -> Facts:
    """Return the member's profile. Balance, tier and status are evidence only: the snapshot has no time of its own."""
    return Facts.of(
        event,
        known(event.snapshot, joined_at="first_joined_at"),
        pick(
            event.snapshot,
            email="email",
            phone_number="phone",
            first_name="first_name",
            last_name="last_name",
            anonymized="anonymized",
            joined_at="joined_at",
            referrals="referrals_count",
            revenue="revenue",
            credits_earned="credits_earned_total",
            status="seen_status",
            tier_id="seen_tier_id",
            credit="seen_balance",
        ),
    )


def decide(event: Updated, before: Member, after: Member, rules: Rules) -> Effects:
    """Yield nothing: the platform sends this event for every write of a member."""
    return iter(())


handler = consumer(Updated, facts, decide)
