"""customer.joined.free_trial: a trial of a paid tier began. The member is on trial until it ends."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedFreeTrial
from relay.model.effects import Effects
from relay.model.facts import Facts, pick
from relay.model.member import Member
from relay.rules.joining import entered, welcomed
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: JoinedFreeTrial) -> Facts:
    """Tell on trial in a tier, until the trial ends."""
    return entered(event, pick(event.payload, free_trial_end="trial_ends_at"), tier_type="trial")


def decide(event: JoinedFreeTrial, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining; close what was told of an end."""
    return welcomed(event, before, after, rules, rule="join.trial")


handler = consumer(JoinedFreeTrial, facts, decide)
