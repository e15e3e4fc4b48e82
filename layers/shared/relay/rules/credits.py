"""Handles store credit: the facts of both topics, unusual grants, negative balances, and lots that expire."""

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
from relay.model.facts import Lot, known
from relay.model.fields import Value
from relay.model.formats import amount_text, detail_rows
from relay.model.member import Member
from relay.rules.settings import Rules

CreditEvent: TypeAlias = CreditsUpdated | CreditsExpired

_TIMES_USUAL: Final = 10
_GRANTS_KNOWN: Final = 3
"""Grants that the record must know before one can be unusual for this member."""

_AT_LEAST: Final = Decimal("0.2")
"""An unusual grant is at least this share of `credit_anomaly`: ten times a few cents is no anomaly."""


def delta(payload: CreditPayload) -> Decimal | None:
    """Return the change of balance, from the balances: the sign of `amount` is not reliable."""
    if payload.new_balance is None or payload.previous_balance is None:
        return None
    return payload.new_balance - payload.previous_balance


def balances(payload: CreditPayload) -> Balances | None:
    """Return the balances before and after, for the chain; without the one before, the other is an anchor."""
    return None if payload.new_balance is None else (payload.previous_balance, payload.new_balance)


def holder(payload: CreditPayload) -> dict[str, Value]:
    """Return who the member is, as both topics have it."""
    return known(payload, email="email", first_name="first_name", last_name="last_name")


def is_manual(payload: CreditsUpdatedPayload) -> bool:
    """Return whether a person changed the balance, in the dashboard or through the API."""
    return bool(payload.applied_by) or (payload.reason or "").upper().startswith("MANUAL")


def is_unusual(change: Decimal, before: Member, rules: Rules) -> bool:
    """Return whether a grant is unusually large: by itself, or for this member as far as the record remembers."""
    anomaly = rules.thresholds_for(before.text("fee_currency")).credit_anomaly
    if anomaly <= 0 or change <= 0:
        return False
    grants = [change.new - change.previous for change in before.balance_chain if change.previous is not None]
    usual = [grant for grant in grants if grant > 0]
    unusual = len(usual) >= _GRANTS_KNOWN and change >= _TIMES_USUAL * median(usual)
    return change >= anomaly or (unusual and change >= anomaly * _AT_LEAST)


def debt_alerts(event: CreditEvent, before: Member, after: Member) -> Effects:
    """Yield the alert that a balance fell below zero, or that it is no longer below zero."""
    balance, previous = after.balance, before.balance
    if balance is None or balance == previous:
        return
    if balance < 0:
        yield Alert(
            rule="credits.negative",
            incident_key=_debt_incident(after),
            level=Level.ERROR,
            title="A member's store credit is below zero",
            details=detail_rows(
                ("Balance", amount_text(balance, after.text("fee_currency"))),
                ("Reason", event.payload.reason),
            ),
            advice="Only a person or a refund brings this about: look at the ledger, and settle it.",
        )
    elif previous is not None and previous < 0:
        yield Alert(
            rule="credits.settled",
            incident_key=_debt_incident(after),
            action="resolve",
            level=Level.INFO,
            title="The member's store credit is no longer below zero",
        )


def _debt_incident(member: Member) -> str:
    return f"debt:{member.key}"


def remaining_lots(member: Member, as_of: datetime) -> Mapping[str, Lot]:
    """Return the lots by id with what is left of each, the soonest to expire first, without expired and spent ones.

    A lot holds what was granted. What was spent is taken from the soonest to expire, as the platform does it.
    Credits that never expire are spent last, so the result is never less than what is left.
    """
    lots = sorted(
        ((lot_id, lot) for lot_id, lot in member.lots.items() if lot.expires_at > as_of),
        key=lambda pair: (pair[1].expires_at, pair[0]),
    )
    balance = member.money("credit_balance")
    granted = sum((lot.amount for _, lot in lots), Decimal(0))
    spent = Decimal(0) if balance is None else max(granted - balance, Decimal(0))
    left: dict[str, Lot] = {}
    for lot_id, lot in lots:
        used = min(spent, lot.amount)
        spent -= used
        if lot.amount > used:
            left[lot_id] = replace(lot, amount=lot.amount - used)
    return left


def next_expiry(member: Member) -> tuple[Decimal | None, datetime | None]:
    """Return the amount that expires next, and when; (None, None) where nothing does.

    As of the newest fact and not of now, so that one record always has one result; a CRM compares the moment with
    its own clock. Lots that expire at the same moment count together.
    """
    left = list(remaining_lots(member, member.newest_at).values()) if member.newest_at else []
    if not left:
        return None, None
    at = left[0].expires_at
    return sum((lot.amount for lot in left if lot.expires_at == at), Decimal(0)), at
