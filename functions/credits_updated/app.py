"""customer.credits.updated: store credit was granted or spent. The balance and the lots follow; unusual grants are alerts."""

from __future__ import annotations

from inveterate.webhooks.credits import CreditsUpdated
from relay.model.effects import Alert, Effects, Kpi, Level
from relay.model.facts import Facts, Lot
from relay.model.formats import amount_text, detail_rows
from relay.model.member import Member
from relay.rules import credits
from relay.rules.settings import Rules
from relay.rules.timeline import note
from relay.wiring.topics import consumer


def facts(event: CreditsUpdated) -> Facts:
    """Return the balance, the change that led to it, and the lot that may expire."""
    payload, change = event.payload, credits.delta(event.payload)
    lot = None
    if change and change > 0 and payload.expiration_date:
        lot = Lot(amount=change, expires_at=payload.expiration_date)
    return Facts.of(event, credits.credit_facts(payload), lot=lot, balances=credits.balances(payload))


def decide(event: CreditsUpdated, before: Member, after: Member, rules: Rules) -> Effects:
    """Note the change; alert on an unusual grant and on a balance below zero."""
    payload, change = event.payload, credits.delta(event.payload)
    currency = credits.currency_of(after, rules)
    yield note(
        "credits.changed",
        "Store Credit Changed",
        after,
        amount=change,
        currency=currency,
        delta=change,
        reason=payload.reason,
    )
    if credits.is_manual(payload):
        yield Kpi(rule="credits.manual", name="manual_credit", amount=change, currency=currency)
    if change is not None and credits.is_unusual(change, after, rules):
        yield Alert(
            rule="credits.anomaly",
            incident_key=credits.incident_key(after, event.occurred_at),
            level=Level.WARNING,
            one_off=True,
            title="An unusually large grant of store credit",
            details=detail_rows(
                ("Granted", amount_text(change, currency)),
                ("Balance now", amount_text(payload.new_balance, currency)),
                ("Reason", payload.reason),
            ),
            advice="Check that it was meant: a slip of the keyboard looks like this, and so does misuse.",
        )
    yield from credits.debt_alerts(event, before, after, rules)


handler = consumer(CreditsUpdated, facts, decide)
