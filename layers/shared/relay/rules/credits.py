"""Handles store credit: the facts of both topics, unusual grants, negative balances, and lots that expire."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from inveterate.webhooks.credits import CreditPayload, CreditsExpired, CreditsUpdated, CreditsUpdatedPayload

from relay.model.balance_chain import Balances
from relay.model.effects import MEMBER, Alert, Level
from relay.model.facts import Lot, known
from relay.model.fields import Value
from relay.model.formats import amount_text, day_text, detail_rows, enum_words
from relay.model.member import Member
from relay.rules.measures import TIMES_USUAL
from relay.rules.settings import Rules

CreditEvent: TypeAlias = CreditsUpdated | CreditsExpired


def delta(payload: CreditPayload) -> Decimal | None:
    """Return the change of balance, from the balances: the sign of `amount` is not reliable."""
    if payload.new_balance is None or payload.previous_balance is None:
        return None
    return payload.new_balance - payload.previous_balance


def expired_amount(payload: CreditPayload) -> Decimal | None:
    """Return how much expired, as a positive number: as told, else by the fall of the balance, else without its sign."""
    told, change = payload.amount, delta(payload)
    if (told is None or told <= 0) and change is not None and change < 0:
        return -change
    return None if told is None else abs(told)


def balances(payload: CreditPayload) -> Balances | None:
    """Return the balances before and after, for the chain; without the one before, the other is an anchor."""
    return None if payload.new_balance is None else (payload.previous_balance, payload.new_balance)


def holder(payload: CreditPayload) -> dict[str, Value]:
    """Return who the member is, as both topics have it."""
    return known(payload, email="email", first_name="first_name", last_name="last_name")


def is_manual(payload: CreditsUpdatedPayload) -> bool:
    """Return whether a person changed the balance, in the dashboard or through the API."""
    return bool(payload.applied_by) or (payload.reason or "").upper().startswith("MANUAL")


CreditKind: TypeAlias = Literal["earned", "redeemed", "expired", "referral", "adjusted"]

_KINDS: Final[tuple[tuple[CreditKind, re.Pattern[str]], ...]] = (
    ("referral", re.compile("REFER")),
    ("expired", re.compile("EXPIR")),
    ("adjusted", re.compile("MANUAL|ADJUST|CORRECT|ADMIN|REFUND|REVERS|REVOK|CANCEL|API|IMPORT|MIGRAT")),
    ("redeemed", re.compile("REDEE|REDEMPT|SPEN[DT]|USED|APPLIED")),
    ("earned", re.compile("EARN|PURCHASE|CASH.?BACK|REWARD|BONUS|JOIN|WELCOME|BIRTHDAY|RENEW")),
)
"""By the platform's reason, an open set of words: the first that fits."""


def credit_kind(payload: CreditPayload, change: Decimal | None) -> CreditKind | None:
    """Return what a change of credit is: by its reason, else by a person's hand, else by its sign; None where nothing shows it.

    A reason that says earned does not stand over a balance that falls, nor one that says redeemed over one that rises.
    """
    reason = (payload.reason or "").upper()
    kind = next((kind for kind, pattern in _KINDS if pattern.search(reason)), None)
    against = {"earned": -1, "redeemed": 1}.get(kind or "")
    if change and against == (1 if change > 0 else -1):
        return "adjusted"
    if kind is None and isinstance(payload, CreditsUpdatedPayload) and payload.applied_by:
        return "adjusted"
    if kind or not change:
        return kind
    return "earned" if change > 0 else "redeemed"


def currency_of(member: Member, rules: Rules) -> str | None:
    """Return the currency of a balance: the shop's; where that is not set, the one in which the member pays."""
    return rules.currency or member.currency


def is_unusual(change: Decimal, member: Member, rules: Rules) -> bool:
    """Return whether a grant is unusually large: by the amount that is set, else by the programme's usual grant."""
    anomaly = rules.amount_set("credit_anomaly", currency_of(member, rules))
    if anomaly is not None:
        return 0 < anomaly <= change
    usual = rules.measures.usual_grant if rules.currency == rules.measures.currency else None
    return usual is not None and change >= TIMES_USUAL * usual


def anomaly_alert(event: CreditsUpdated, after: Member, rules: Rules) -> Alert:
    """Return the alert of an unusually large grant."""
    currency = currency_of(after, rules)
    return Alert(
        rule="credits.anomaly",
        incident_key=incident_key(after, event.occurred_at),
        level=Level.WARNING,
        one_off=True,
        title=f"An unusual grant of {amount_text(delta(event.payload), currency)} of store credit to {MEMBER}",
        details=detail_rows(
            ("Granted", amount_text(delta(event.payload), currency)),
            ("Balance now", amount_text(event.payload.new_balance, currency)),
            ("Reason", enum_words(event.payload.reason)),
        ),
        advice="Check that it was meant: a slip of the keyboard looks like this, and so does misuse.",
    )


def debt_alerts(event: CreditEvent, before: Member, after: Member, rules: Rules) -> Iterator[Alert]:
    """Yield the alert that a balance fell below zero, or that it is no longer below zero.

    Both compare the record's balance before and after the event, so an event that comes late and is followed by
    known ones tells nothing.
    """
    balance, previous = after.balance, before.balance
    was_below, is_below = previous is not None and previous < 0, balance is not None and balance < 0
    if is_below and not was_below:
        yield Alert(
            rule="credits.negative",
            incident_key=incident_key(after, event.occurred_at),
            level=Level.ERROR,
            one_off=True,
            title=f"The store credit of {MEMBER} is below zero",
            details=detail_rows(
                ("Balance", amount_text(balance, currency_of(after, rules))),
                ("Reason", enum_words(event.payload.reason)),
            ),
            advice="Only a person or a refund brings this about: look at the ledger, and settle it.",
        )
    elif was_below and not is_below:
        yield Alert(
            rule="credits.settled",
            incident_key=incident_key(before, _below_since(before)),
            action="resolve",
            level=Level.INFO,
            title=f"The store credit of {MEMBER} is no longer below zero",
            details=detail_rows(("Balance", amount_text(balance, currency_of(after, rules)))),
            advice="Nothing is left to do.",
        )


def incident_key(member: Member, at: datetime | None) -> str:
    """Return the key of the incident of a member's credits on the day of `at`."""
    return f"cred:{member.key}:{day_text(at)}"


def _below_since(member: Member) -> datetime | None:
    """Return when a balance that is below zero fell below it, as far as the record remembers."""
    since: datetime | None = None
    for change in reversed(member.balance_chain):
        if change.new >= 0:
            break
        since = change.at
    return since or member.newest_at


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
