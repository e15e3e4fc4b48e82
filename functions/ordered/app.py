"""customer.ordered: a member placed an order. The record notes when; the order itself is Shopify's to tell."""

from __future__ import annotations

from inveterate.webhooks.payments import Ordered
from relay.consumer import consumer
from relay.deciding.noting import note
from relay.effects import Effects
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: Ordered) -> Facts:
    """Tell when the member last ordered. There is no order id to join it to."""
    return Facts.of(event, told(event.contact, email="email"), {"last_order_at": event.occurred_at})


def decide(event: Ordered, before: Member, after: Member, rules: Rules) -> Effects:
    """Note the order in the CRM, unless Shopify feeds it already; people are told of none."""
    if rules.orders_to_crm:
        order = event.payload.detail
        amount, currency = (order.subtotal_price, order.currency) if order else (None, None)
        yield note("order.placed", "Member Ordered", after, amount=amount, currency=currency)


handler = consumer(Ordered, facts, decide)
