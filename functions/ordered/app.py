"""customer.ordered: a member placed an order. The record notes when; the order itself is Shopify's to tell."""

from __future__ import annotations

from inveterate.webhooks.payments import Ordered
from relay.model.effects import Effects
from relay.model.facts import Facts, pick
from relay.model.member import Member
from relay.rules.settings import Rules
from relay.rules.timeline import note
from relay.wiring.topics import consumer


def facts(event: Ordered) -> Facts:
    """Tell when the member last ordered. There is no order id to join it to."""
    return Facts.of(event, pick(event.contact, email="email"), {"last_order_at": event.occurred_at})


def decide(event: Ordered, before: Member, after: Member, rules: Rules) -> Effects:
    """Note the order in the CRM, unless Shopify feeds it already; people are told of none."""
    if rules.orders_to_crm:
        order = event.payload.detail
        amount, currency = (order.subtotal_price, order.currency) if order else (None, None)
        yield note("order.placed", "Member Ordered", after, amount=amount, currency=currency)


handler = consumer(Ordered, facts, decide)
