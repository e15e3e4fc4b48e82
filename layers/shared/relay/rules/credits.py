"""Store credit: what both topics tell of it, what is odd about a grant, what is left of each lot, and debts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Final, TypeAlias

from inveterate.webhooks.credits import CreditPayload, CreditsExpired, CreditsUpdated, CreditsUpdatedPayload

from relay.model.balance_chain import Balances
from relay.model.effects import Alert, Effects, Level
from relay.model.facts import Lot, pick
from relay.model.fields import Value
from relay.model.formats import amount_text, detail_rows
from relay.model.member import Member
from relay.rules.settings import Rules

CreditEvent: TypeAlias = CreditsUpdated | CreditsExpired

_TIMES_USUAL: Final = 10
_GRANTS_KNOWN: Final = 3
"""Grants that have to be known before one can be unusual for this member."""

_AT_LEAST: Final = Decimal("0.2")
"""An unusual grant is at least this share of `credit_anomaly`: ten times next to nothing is nothing."""


def delta(payload: CreditPayload) -> Decimal | None:
    """Return the change of balance: the sign of `amount` cannot be relied on, the balances can."""
    if payload.new_balance is None or payload.previous_balance is None:
        return None
    return payload.new_balance - payload.previous_balance


def balances(payload: CreditPayload) -> Balances | None:
    """Return the change of balance, for the chain; None where it does not tell both ends."""
    if payload.new_balance is None or payload.previous_balance is None:
        return None
    return payload.previous_balance, payload.new_balance


def credit_facts(payload: CreditPayload) -> dict[str, Value]:
    """Return the facts that both topics have in common."""
    facts = pick(
        payload,
        email="email",
        first_name="first_name",
        last_name="last_name",
        new_balance="credit_balance",
        reason="last_credit_reason",
    )
    change = delta(payload)
    return facts if change is None else {**facts, "last_credit_delta": change}


def is_manual(payload: CreditsUpdatedPayload) -> bool:
    """Tell whether somebody changed the balance by hand, at the dashboard or through the API."""
    return bool(payload.applied_by) or (payload.reason or "").upper().startswith("MANUAL")


def is_odd(change: Decimal, before: Member, rules: Rules) -> bool:
    """Tell whether a grant is unusually large: in itself, or for this member as far as the record remembers."""
    much = rules.amounts(before.text("fee_currency")).credit_anomaly
    if much <= 0 or change <= 0:
        return False
    grants = [change.new - change.previous for change in before.balance_chain if change.previous is not None]
    usual = [grant for grant in grants if grant > 0]
    unusual = len(usual) >= _GRANTS_KNOWN and change >= _TIMES_USUAL * median(usual)
    return change >= much or (unusual and change >= much * _AT_LEAST)


def debt(event: CreditEvent, before: Member, after: Member) -> Effects:
    """Tell that a balance fell below zero, and that it is out of it again."""
    balance, known = event.payload.new_balance, before.money("credit_balance")
    if balance is None or "credit_balance" not in after.fields_from(event.id):
        return
    if balance < 0:
        yield Alert(
            rule="credits.negative",
            incident_key=_debt(after),
            level=Level.ERROR,
            title="A member's store credit is below zero",
            details=detail_rows(
                ("Balance", amount_text(balance, after.text("fee_currency"))),
                ("Reason", event.payload.reason),
            ),
            advice="Only a person or a refund brings this about: look at the ledger, and settle it.",
        )
    elif known is not None and known < 0:
        yield Alert(
            rule="credits.settled",
            incident_key=_debt(after),
            action="close",
            level=Level.INFO,
            title="The member's store credit is no longer below zero",
        )


def _debt(member: Member) -> str:
    return f"debt:{member.key}"


def lots_left(member: Member, as_of: datetime) -> Mapping[str, Lot]:
    """Return by its id what is left of each lot that has yet to expire, the soonest first, without the spent ones.

    A lot tells what was given. What has been spent is taken from the soonest to expire, as the platform does
    it; credits that never expire are spent last, so what this says of a lot is never less than what is left.
    """
    lots = sorted(
        ((lot_id, lot) for lot_id, lot in member.lots.items() if lot.expires_at > as_of),
        key=lambda pair: (pair[1].expires_at, pair[0]),
    )
    balance = member.money("credit_balance")
    given = sum((lot.amount for _, lot in lots), Decimal(0))
    spent = Decimal(0) if balance is None else max(given - balance, Decimal(0))
    left: dict[str, Lot] = {}
    for lot_id, lot in lots:
        gone = min(spent, lot.amount)
        spent -= gone
        if lot.amount > gone:
            left[lot_id] = replace(lot, amount=lot.amount - gone)
    return left


def expiring(member: Member) -> tuple[Decimal | None, datetime | None]:
    """Return how much expires next, and when; twice None where nothing does.

    As of the newest fact, not of now: so the same record always says the same, whoever asks when, and a CRM
    compares the moment with its own clock. Lots of one moment count together.
    """
    left = list(lots_left(member, member.newest_at).values()) if member.newest_at else []
    if not left:
        return None, None
    at = left[0].expires_at
    return sum((lot.amount for lot in left if lot.expires_at == at), Decimal(0)), at
