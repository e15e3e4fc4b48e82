"""customer.joined.paid_tier: a membership was bought. The member is active in this tier."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedPaidTier
from relay.model.effects import Effects
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules.joining import joining_effects, joining_facts
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: JoinedPaidTier) -> Facts:
    """Return that the member is active in a paid tier, and that no ending is open any more."""
    return joining_facts(event, tier_type="paid")


def decide(event: JoinedPaidTier, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining, announce it if `announce_joins` is set, and resolve the incidents of an ending."""
    return joining_effects(event, before, after, rules, rule="join.paid")


handler = consumer(JoinedPaidTier, facts, decide)
