"""customer.credits.updated: store credit came or went. The balance follows, and what expires when; odd grants are told."""

from __future__ import annotations

from inveterate.webhooks.credits import CreditsUpdated
from relay.consumer import consumer
from relay.deciding import crediting
from relay.deciding.noting import note
from relay.effects import Alert, Effects, Figure, Level
from relay.facts import Facts, Lot
from relay.member import Member
from relay.rules import Rules
from relay.wording import amount_text, day_text, shown


def facts(event: CreditsUpdated) -> Facts:
    """Tell the balance, the change that led to it, and the lot that may expire."""
    payload, change = event.payload, crediting.delta(event.payload)
    lot = None
    if change and change > 0 and payload.expiration_date:
        lot = Lot(amount=change, expires_at=payload.expiration_date)
    return Facts.of(event, crediting.credit_facts(payload), lot=lot, change=crediting.change_of(payload))


def decide(event: CreditsUpdated, before: Member, after: Member, rules: Rules) -> Effects:
    """Note the change; tell of a grant that is odd, and of a balance that fell below zero."""
    payload, change = event.payload, crediting.delta(event.payload)
    currency = after.text("fee_currency")
    yield note(
        "credits.changed",
        "Store Credit Changed",
        after,
        amount=change,
        currency=currency,
        delta=change,
        reason=payload.reason,
    )
    if crediting.is_manual(payload):
        yield Figure(rule="credits.manual", name="manual_credit", amount=change, currency=currency)
    if change is not None and crediting.is_odd(change, before, rules):
        yield Alert(
            rule="credits.anomaly",
            occasion=f"cred:{after.key}:{day_text(event.occurred_at)}",
            level=Level.WARNING,
            lasting=False,
            title="An unusually large grant of store credit",
            details=shown(
                ("Granted", amount_text(change, currency)),
                ("Balance now", amount_text(payload.new_balance, currency)),
                ("Reason", payload.reason),
            ),
            advice="Check that it was meant: a slip of the keyboard looks like this, and so does misuse.",
        )
    yield from crediting.debt(event, before, after)


handler = consumer(CreditsUpdated, facts, decide)
