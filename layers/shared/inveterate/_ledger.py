"""Balance of a member's ledger: the sum of its entries is not the balance, since some have expired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from inveterate.models.members import CreditEntry

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_EXPIRED: Final = "EXPIRED"


@dataclass(slots=True)
class _Lot:
    left: Decimal
    until: datetime


def ledger_balance(entries: Iterable[CreditEntry], now: datetime) -> Decimal:
    """Return the balance at `now` (aware), in the shop's currency unit, without expired credits.

    `entries` are the whole ledger, in any order. Spending uses the credits that expire next, so that
    credits spent in time do not also count as expired; the documentation asks to deduct expired entries
    and does not say which credits are spent first. Entries of an expiry (`reason` EXPIRED) reduce the
    balance, whatever their sign. An entry without an amount counts as 0.
    """
    lots: list[_Lot] = []
    debt = Decimal(0)
    for entry in sorted(entries, key=_order):
        change = _change(entry)
        if change > 0:
            lots.append(_Lot(change, entry.expires_at or _NEVER))
        else:
            debt += _spend(lots, -change, _BEGINNING if _is_expiry(entry) else _created_at(entry))
    return sum((lot.left for lot in lots if lot.until > now), Decimal(0)) - debt


def _created_at(entry: CreditEntry) -> datetime:
    return entry.created_at or _BEGINNING


def _order(entry: CreditEntry) -> tuple[datetime, bool]:
    """Sort key: oldest first; at one moment, additions before deductions."""
    return _created_at(entry), _change(entry) <= 0


def _is_expiry(entry: CreditEntry) -> bool:
    return entry.reason == _EXPIRED


def _change(entry: CreditEntry) -> Decimal:
    """Return the change of the balance: the difference of the two balances, since signs are not documented."""
    if entry.new_balance is not None and entry.previous_balance is not None:
        return entry.new_balance - entry.previous_balance
    amount = entry.amount or Decimal(0)
    return -abs(amount) if _is_expiry(entry) else amount


def _spend(lots: list[_Lot], amount: Decimal, moment: datetime) -> Decimal:
    """Take `amount` from credits valid at `moment`, then from expired ones; return the uncovered rest."""
    for lot in sorted(lots, key=lambda lot: (lot.until <= moment, lot.until)):
        taken = min(lot.left, amount)
        lot.left -= taken
        amount -= taken
    return amount
