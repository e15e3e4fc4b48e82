"""customer.credits.expired: credits ran out. The balance follows."""

from __future__ import annotations

from collections.abc import Iterator

from inveterate.webhooks.credits import CreditsExpired
from relay.consumer import consumer
from relay.crediting import change_of, credit_facts
from relay.effects import Effect
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules


def facts(event: CreditsExpired) -> Facts:
    """Tell the balance, and how much expired when."""
    return Facts.of(
        event,
        credit_facts(event.payload),
        told(event.payload, amount="last_expired_amount"),
        {"credits_expired_at": event.occurred_at},
        change=change_of(event.payload),
    )


def decide(event: CreditsExpired, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    """Tell nobody yet: expiries are news for the digest."""
    return iter(())


handler = consumer(CreditsExpired, facts, decide)
