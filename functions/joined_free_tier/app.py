"""customer.joined.free_tier: a free tier was entered, by sign-up or by a move down. The member is active in it."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedFreeTier
from relay.model.effects import Effects
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules.joining import entered, welcomed
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: JoinedFreeTier) -> Facts:
    """Tell active in a free tier; whatever had ended or was about to end, has not."""
    return entered(event, tier_type="free")


def decide(event: JoinedFreeTier, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining; close what was told of an end."""
    return welcomed(event, before, after, rules, rule="join.free")


handler = consumer(JoinedFreeTier, facts, decide)
