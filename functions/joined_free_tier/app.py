"""customer.joined.free_tier: a free tier was joined, by sign-up or by a move down. The member is active in it."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedFreeTier
from relay.model.effects import Effects
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules.joining import joining_effects, joining_facts
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: JoinedFreeTier) -> Facts:
    """Return that the member is active in a free tier, and that no ending is open any more."""
    return joining_facts(event, tier_type="free")


def decide(event: JoinedFreeTier, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining; resolve the incidents of an ending."""
    return joining_effects(event, before, after, rules, rule="join.free")


handler = consumer(JoinedFreeTier, facts, decide)
