"""customer.joined.paid_tier: a membership was bought. The member is active in this tier."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedPaidTier
from relay.model.effects import Effects
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules.joining import entered, welcomed
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: JoinedPaidTier) -> Facts:
    """Tell active in a paid tier; whatever had ended or was about to end, has not."""
    return entered(event, tier_type="paid")


def decide(event: JoinedPaidTier, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining, announce it if the shop wants that, and close what was told of an end."""
    return welcomed(event, before, after, rules, rule="join.paid")


handler = consumer(JoinedPaidTier, facts, decide)
