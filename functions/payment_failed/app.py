"""customer.payment_failed: all attempts to charge the fee have failed. The member is marked, a person is alerted."""

from __future__ import annotations

from dataclasses import replace

from inveterate.webhooks.payments import PaymentFailed
from relay.model.effects import Effects, Kpi, Level
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules import dunning
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: PaymentFailed) -> Facts:
    """Return the number of the attempt, the reason, and that it was the last."""
    failure = dunning.failure_facts(event)
    return replace(failure, values={**failure.values, "payment_lost_at": failure.values["last_failure_at"]})


def decide(event: PaymentFailed, before: Member, after: Member, rules: Rules) -> Effects:
    """Alert on the final failure unless it is already resolved; note and count it unless its attempt is known."""
    charge = event.detail
    if not before.is_failing:
        # No attempt of this cycle is known, so this event is the one sign that the fee failed.
        yield dunning.failure_note(event, after, rules, rule="dunning.failed")
        yield Kpi(
            rule="dunning.failed", name="failed_attempt", amount=charge.amount, currency=charge.currency
        )
    # A payment that arrived before this failure may have recovered it.
    yield from dunning.recovery_effects(before, after, charge.amount, charge.currency)
    if "payment_lost_at" in after.fields_from(event.id) and after.is_failing:
        level = dunning.level_for(after, rules, otherwise=Level.WARNING, high=Level.ERROR)
        yield dunning.failure_alert("dunning.failed", event, after, rules, level=level)


handler = consumer(PaymentFailed, facts, decide)
