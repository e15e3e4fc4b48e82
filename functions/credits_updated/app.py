"""customer.credits.updated: store credit came or went. The balance follows, and what expires when."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.credits import CreditsUpdated
from relay.consumer import consumer
from relay.crediting import change_of, credit_facts, delta
from relay.effects import Effect
from relay.facts import Facts, Lot
from relay.member import Member
from relay.rules import Rules


def facts(event: CreditsUpdated) -> Facts:
    """Tell the balance, the change that led to it, and the lot that may expire."""
    payload, change = event.payload, delta(event.payload)
    lot = None
    if change and change > 0 and payload.expiration_date:
        lot = Lot(amount=change, expires_at=payload.expiration_date)
    return Facts.of(event, credit_facts(payload), lot=lot, change=change_of(payload))


def decide(event: CreditsUpdated, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody yet: credits are business as usual unless they are odd."""
    return iter(())


handler = consumer(CreditsUpdated, facts, decide)
