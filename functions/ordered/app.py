"""customer.ordered: a member placed an order. The record notes when; the order itself is Shopify's to tell."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.payments import Ordered
from relay.consumer import consumer
from relay.effects import Effect
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: Ordered) -> Facts:
    """Tell when the member last ordered. There is no order id to join it to."""
    return Facts.of(event, told(event.contact, email="email"), {"last_order_at": event.occurred_at})


def decide(event: Ordered, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody: orders are business as usual."""
    return iter(())


handler = consumer(Ordered, facts, decide)
