"""customer_billing.attempt.failed: one attempt at the fee failed. The member is past due; half of these heal by retry.

So the first of several attempts is no task for a person, unless the member is high-value or retrying cannot
help. It becomes one when attempts run out.
"""

from __future__ import annotations

from inveterate.webhooks.payments import BillingAttemptFailed
from relay.model.effects import Effects, Kpi, Level
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules import dunning
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: BillingAttemptFailed) -> Facts:
    """Tell which attempt it was and why it failed; whether more will follow is not told."""
    return dunning.failure_facts(event)


def decide(event: BillingAttemptFailed, before: Member, after: Member, rules: Rules) -> Effects:
    """Open the dunning: silently while attempts are left, aloud when they run out or the member is high-value."""
    charge = event.detail
    yield dunning.failed_note(event, after, rules, rule="dunning.attempt")
    yield Kpi(rule="dunning.attempt", name="failed_attempt", amount=charge.amount, currency=charge.currency)
    # It may have been paid already, by an event that was faster.
    yield from dunning.recovered(before, after, charge.amount, charge.currency)
    if "last_failure_at" not in after.fields_from(event.id) or not after.is_failing:
        return  # something newer has settled it, or a later attempt has been told
    left = dunning.left_after(event, after, rules)
    if left is not None and left > 1 and not dunning.is_hopeless(charge.error_message):
        level = dunning.severity(after, rules, otherwise=Level.INFO, high=Level.WARNING)
        yield dunning.failure("dunning.attempt", event, after, rules, level=level)
    else:
        level = dunning.severity(after, rules, otherwise=Level.WARNING, high=Level.ERROR)
        yield dunning.failure("dunning.last_chance", event, after, rules, level=level)


handler = consumer(BillingAttemptFailed, facts, decide)
