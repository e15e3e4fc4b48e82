"""customer.joined.free_tier: a free tier was entered, by sign-up or by a move down. The member is active in it."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.account import JoinedFreeTier
from relay.consumer import consumer
from relay.effects import Effect
from relay.facts import Facts
from relay.joining import entered
from relay.member import Member
from relay.rules import Rules


def facts(event: JoinedFreeTier) -> Facts:
    """Tell active in a free tier; whatever had ended or was about to end, has not."""
    return entered(event, tier_type="free")


def decide(event: JoinedFreeTier, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody at once: a joining is good news for the digest."""
    return iter(())


handler = consumer(JoinedFreeTier, facts, decide)
