"""customer.joined.free_trial: a trial of a paid tier began. The member is on trial until it ends."""

from __future__ import annotations

from inveterate.webhooks.account import JoinedFreeTrial
from relay.model.effects import Effects
from relay.model.facts import Facts, known
from relay.model.member import Member
from relay.rules.joining import joining_effects, joining_facts
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: JoinedFreeTrial) -> Facts:
    """Return that the member is on trial in a tier, and until when."""
    return joining_facts(event, known(event.payload, free_trial_end="trial_ends_at"), tier_type="trial")


def decide(event: JoinedFreeTrial, before: Member, after: Member, rules: Rules) -> Effects:
    """Count and note the joining; resolve the incidents of an ending."""
    return joining_effects(event, before, after, rules, rule="join.trial")


handler = consumer(JoinedFreeTrial, facts, decide)
