"""customer.credits.expired: credits ran out. The balance follows; a high-value member's loss is told at once."""

from __future__ import annotations

from inveterate.webhooks.credits import CreditsExpired
from relay.consumer import consumer
from relay.deciding import crediting
from relay.deciding.noting import note
from relay.deciding.worth import is_high_value
from relay.effects import Alert, Effects, Figure, Level
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules
from relay.wording import amount_text, day_text, shown

RULE = "credits.expired"


def facts(event: CreditsExpired) -> Facts:
    """Tell the balance, and how much expired when."""
    return Facts.of(
        event,
        crediting.credit_facts(event.payload),
        told(event.payload, amount="last_expired_amount"),
        {"credits_expired_at": event.occurred_at},
        change=crediting.change_of(event.payload),
    )


def decide(event: CreditsExpired, before: Member, after: Member, rules: Rules) -> Effects:
    """Note and count what was lost; tell at once what a high-value member lost, if it is much."""
    amount, currency = event.payload.amount, after.text("fee_currency")
    yield note(RULE, "Store Credit Expired", after, amount=amount, currency=currency)
    yield Figure(rule=RULE, name="credits_expired", amount=amount, currency=currency)
    much = rules.amounts(currency).expired_at_once
    if amount is not None and 0 < much <= amount and is_high_value(before, rules):
        yield Alert(
            rule=RULE,
            occasion=f"expired:{after.key}:{day_text(event.occurred_at)}",
            level=Level.INFO,
            at_once=True,
            lasting=False,
            title="A high-value member's credits ran out",
            details=shown(
                ("Expired", amount_text(amount, currency)),
                ("Balance now", amount_text(event.payload.new_balance, currency)),
            ),
            advice="A courtesy grant may be worth more than the credits.",
        )
    yield from crediting.debt(event, before, after)


handler = consumer(CreditsExpired, facts, decide)
