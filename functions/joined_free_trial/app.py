"""customer.joined.free_trial: a trial of a paid tier began. The member is on trial until it ends."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedFreeTrial
from relay.consumer import consumer
from relay.deciding.joining import entered, welcomed
from relay.effects import Effects
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: JoinedFreeTrial) -> Facts:
    """Tell on trial in a tier, until the trial ends."""
    return entered(event, told(event.payload, free_trial_end="trial_ends_at"), tier_type="trial")


def decide(event: JoinedFreeTrial, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining; close what was told of an end."""
    return welcomed(event, before, after, rules, rule="join.trial")


handler = consumer(JoinedFreeTrial, facts, decide)
