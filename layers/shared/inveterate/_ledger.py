"""What a member's ledger amounts to: the sum of its entries is not the balance, since some have expired."""

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
    """Return the balance at `now` (aware), in the shop's currency unit, without what has expired by then.

    The ledger is to be whole; its order does not matter. What is spent is taken from the credits that
    expire next, so that credits spent in time are not counted as expired too; the documentation asks to
    deduct expired entries and does not say which credits are spent first. Entries that expiry itself
    wrote (`reason` EXPIRED) take away, whatever their sign. An entry without an amount counts for nothing.
    """
    lots: list[_Lot] = []
    debt = Decimal(0)
    for entry in sorted(entries, key=_order):
        change = _change(entry)
        if change > 0:
            lots.append(_Lot(change, entry.expires_at or _NEVER))
        else:
            debt += _spend(lots, -change, _BEGINNING if _by_expiry(entry) else _when(entry))
    return sum((lot.left for lot in lots if lot.until > now), Decimal(0)) - debt


def _when(entry: CreditEntry) -> datetime:
    return entry.created_at or _BEGINNING


def _order(entry: CreditEntry) -> tuple[datetime, bool]:
    """Oldest first; at one moment, what came before what went."""
    return _when(entry), _change(entry) <= 0


def _by_expiry(entry: CreditEntry) -> bool:
    return entry.reason == _EXPIRED


def _change(entry: CreditEntry) -> Decimal:
    """Return by how much the balance changed: what the two balances say, since signs are not documented."""
    if entry.new_balance is not None and entry.previous_balance is not None:
        return entry.new_balance - entry.previous_balance
    amount = entry.amount or Decimal(0)
    return -abs(amount) if _by_expiry(entry) else amount


def _spend(lots: list[_Lot], amount: Decimal, moment: datetime) -> Decimal:
    """Take `amount` from what had not expired at `moment`, then from what had; return what was not covered."""
    for lot in sorted(lots, key=lambda lot: (lot.until <= moment, lot.until)):
        taken = min(lot.left, amount)
        lot.left -= taken
        amount -= taken
    return amount
