"""customer.credits.updated: store credit was granted or spent. The balance and the lots follow; unusual grants are alerts."""

from __future__ import annotations

from dataclasses import replace

from inveterate.webhooks.credits import CreditsUpdated
from relay.model.effects import Effects, Kpi
from relay.model.facts import Facts, Lot, known
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
    return Facts.of(
        event,
        credits.holder(payload),
        known(payload, reason="last_credit_reason"),
        {} if change is None else {"last_credit_delta": change},
        lot=lot,
        balances=credits.balances(payload),
    )


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
        credit_kind=credits.credit_kind(payload, change),
    )
    if credits.is_manual(payload):
        yield Kpi(rule="credits.manual", name="manual_credit", amount=change, currency=currency)
    is_unusual = change is not None and credits.is_unusual(change, after, rules)
    anomaly = credits.anomaly_alert(event, after, rules) if is_unusual else None
    for debt in credits.debt_alerts(event, before, after, rules):
        if anomaly and anomaly.incident_key == debt.incident_key:
            # One message for one event and incident: an unusual grant that settles a debt of the same day says both.
            yield replace(
                debt, level=anomaly.level, immediate=True, details=anomaly.details, advice=anomaly.advice
            )
            anomaly = None
        else:
            yield debt
    if anomaly:
        yield anomaly


handler = consumer(CreditsUpdated, facts, decide)
