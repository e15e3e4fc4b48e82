"""customer.ordered: a member placed an order. The record keeps the time; the order itself is in Shopify."""

from __future__ import annotations

from inveterate.webhooks.payments import Ordered
from relay.model.effects import Effects
from relay.model.facts import Facts, known
from relay.model.member import Member
from relay.rules.settings import Rules
from relay.rules.timeline import note
from relay.wiring.topics import consumer


def facts(event: Ordered) -> Facts:
    """Return when the member last ordered. The event has no order id."""
    return Facts.of(event, known(event.contact, email="email"), {"last_order_at": event.occurred_at})


def decide(event: Ordered, before: Member, after: Member, rules: Rules) -> Effects:
    """Note the order in the CRM, unless Shopify already does (`orders_to_crm`); no alert."""
    if rules.orders_to_crm:
        order = event.payload.detail
        amount, currency = (order.subtotal_price, order.currency) if order else (None, None)
        yield note("order.placed", "Member Ordered", after, amount=amount, currency=currency)


handler = consumer(Ordered, facts, decide)
