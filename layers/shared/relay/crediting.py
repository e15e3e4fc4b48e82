"""What both credit topics tell: the member, the balance, and the change that led to it."""

from __future__ import annotations

from decimal import Decimal

from inveterate.webhooks.credits import CreditPayload

from relay.chain import Change
from relay.facts import told
from relay.fields import Value


def delta(payload: CreditPayload) -> Decimal | None:
    """Return the change of balance: the sign of `amount` cannot be relied on, the balances can."""
    if payload.new_balance is None or payload.previous_balance is None:
        return None
    return payload.new_balance - payload.previous_balance


def change_of(payload: CreditPayload) -> Change | None:
    """Return the change of balance, for the chain; None where it does not tell both ends."""
    if payload.new_balance is None or payload.previous_balance is None:
        return None
    return Change(payload.previous_balance, payload.new_balance)


def credit_facts(payload: CreditPayload) -> dict[str, Value]:
    """Return the facts that both topics have in common."""
    facts = told(
        payload,
        email="email",
        first_name="first_name",
        last_name="last_name",
        new_balance="credit_balance",
        reason="last_credit_reason",
    )
    change = delta(payload)
    return facts if change is None else {**facts, "last_credit_delta": change}
