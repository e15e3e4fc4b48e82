"""customer.payment_failed: the billing cycle is lost. Mark the member, tell a person."""

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
    """Tell which attempt it was, why it failed, and that it was the last."""
    told = dunning.failure_facts(event)
    return replace(told, values={**told.values, "payment_lost_at": told.values["last_failure_at"]})


def decide(event: PaymentFailed, before: Member, after: Member, rules: Rules) -> Effects:
    """Tell a person, unless something newer has settled the matter. Who knows of the attempt hears nothing twice."""
    charge = event.detail
    if not before.is_failing:
        # No attempt of this cycle has been told, so this is the one sign that the fee failed.
        yield dunning.failed_note(event, after, rules, rule="dunning.failed")
        yield Kpi(
            rule="dunning.failed", name="failed_attempt", amount=charge.amount, currency=charge.currency
        )
    # It may have been paid already, by an event that was faster.
    yield from dunning.recovered(before, after, charge.amount, charge.currency)
    if "payment_lost_at" in after.fields_from(event.id) and after.is_failing:
        level = dunning.severity(after, rules, otherwise=Level.WARNING, high=Level.ERROR)
        yield dunning.failure("dunning.failed", event, after, rules, level=level)


handler = consumer(PaymentFailed, facts, decide)
