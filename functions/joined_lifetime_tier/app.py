"""customer.joined.lifetime_tier: a membership for life was bought. The member is active in this tier."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedLifetimeTier
from relay.model.effects import Effects
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules.joining import joining_effects, joining_facts
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: JoinedLifetimeTier) -> Facts:
    """Return that the member is active in a lifetime tier, and that no ending is open any more."""
    return joining_facts(event, tier_type="lifetime")


def decide(event: JoinedLifetimeTier, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining; resolve the incidents of an ending."""
    return joining_effects(event, before, after, rules, rule="join.lifetime")


handler = consumer(JoinedLifetimeTier, facts, decide)
