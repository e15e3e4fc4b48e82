"""customer.credits.expired: credits have expired. The balance follows; a high-value member's loss is an alert."""

from __future__ import annotations

from inveterate.webhooks.credits import CreditsExpired
from relay.model.effects import MEMBER, Alert, Effects, Kpi, Level
from relay.model.facts import Facts
from relay.model.formats import amount_text, day_text, detail_rows
from relay.model.member import Member
from relay.rules import credits, dunning
from relay.rules.segments import is_high_value
from relay.rules.settings import Rules
from relay.rules.timeline import note
from relay.wiring.topics import consumer

RULE = "credits.expired"


def facts(event: CreditsExpired) -> Facts:
    """Return the balance, the amount that expired, and when."""
    return Facts.of(
        event,
        credits.holder(event.payload),
        {
            "last_expired_amount": credits.expired_amount(event.payload),
            "credits_expired_at": event.occurred_at,
        },
        balances=credits.balances(event.payload),
    )


def decide(event: CreditsExpired, before: Member, after: Member, rules: Rules) -> Effects:
    """Note and count the loss; alert at once where a high-value member lost `expired_at_once` or more."""
    amount, currency = credits.expired_amount(event.payload), credits.currency_of(after, rules)
    yield note(
        RULE,
        "Store Credit Expired",
        after,
        amount=amount,
        currency=currency,
        credit_kind="expired",
        also=dunning.deadlines(after, rules),
    )
    yield Kpi(rule=RULE, name="credits_expired", amount=amount, currency=currency)
    threshold = rules.amount_set("expired_at_once", currency)
    is_large = threshold is None or 0 < threshold <= (amount or 0)
    if amount and is_large and is_high_value(before, rules):
        yield Alert(
            rule=RULE,
            incident_key=f"expired:{after.key}:{day_text(event.occurred_at)}",
            level=Level.INFO,
            immediate=True,
            one_off=True,
            title=f"{amount_text(amount, currency)} of store credit expired for {MEMBER}",
            details=detail_rows(
                ("Expired", amount_text(amount, currency)),
                ("Balance now", amount_text(event.payload.new_balance, currency)),
            ),
            advice="A courtesy grant may be worth more than the credits.",
        )
    yield from credits.debt_alerts(event, before, after, rules)


handler = consumer(CreditsExpired, facts, decide)
