"""customer.joined.lifetime_tier: a membership was bought once and for all. The member is active in this tier."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedLifetimeTier
from relay.model.effects import Effects
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules.joining import entered, welcomed
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: JoinedLifetimeTier) -> Facts:
    """Tell active in a lifetime tier; whatever had ended or was about to end, has not."""
    return entered(event, tier_type="lifetime")


def decide(event: JoinedLifetimeTier, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining; close what was told of an end."""
    return welcomed(event, before, after, rules, rule="join.lifetime")


handler = consumer(JoinedLifetimeTier, facts, decide)
