"""customer.payment_methods.updated: a new payment method is on file. A failed payment may now succeed."""

from __future__ import annotations

from inveterate.webhooks.payments import PaymentMethodsUpdated
from relay.model.effects import MEMBER, Alert, Effects, Level
from relay.model.facts import Facts, known
from relay.model.formats import amount_text, detail_rows, moment_text
from relay.model.member import Member
from relay.rules import dunning, dunning_cycles
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: PaymentMethodsUpdated) -> Facts:
    """Return when the payment method was last renewed."""
    return Facts.of(
        event, known(event.contact, email="email"), {"payment_method_updated_at": event.occurred_at}
    )


def decide(event: PaymentMethodsUpdated, before: Member, after: Member, rules: Rules) -> Effects:
    """While a failed fee is open, add to its incident that a retry may succeed."""
    failed_at, renewed_at = after.moment("last_failure_at"), after.moment("payment_method_updated_at")
    if after.is_failing and failed_at and renewed_at and renewed_at > failed_at:
        is_lost = after.payment_status == "failed"
        what = ", but all attempts have failed" if is_lost else ": a retry is expected"
        yield Alert(
            rule="dunning.new_card",
            incident_key=dunning_cycles.incident_key(after),
            action="update",
            level=Level.INFO,
            title=f"{MEMBER} has a new payment method{what}",
            details=detail_rows(
                ("Amount", amount_text(after.money("unpaid"), after.text("unpaid_currency"))),
                ("Next attempt expected", moment_text(dunning.next_attempt_at(after, rules))),
            ),
            advice="No attempt follows by itself: look the member up in Inveterate, before it cancels the membership."
            if is_lost
            else "Nothing to do until the next attempt: it uses the new method.",
        )


handler = consumer(PaymentMethodsUpdated, facts, decide)
