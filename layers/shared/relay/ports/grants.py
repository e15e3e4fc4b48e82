"""What it takes to give store credits at most once: a promise that is written before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from inveterate import GrantStatus, Intents


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRecord:
    """Credits that were written down before anything was sent; `granted` once it is certain that they were.

    `by` is the id of the effect that asked first.
    """

    customer_id: str
    amount: Decimal
    by: str
    granted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyBudget:
    """What may be promised for one calendar month (`2026-11`): `ceiling` in all, granted or not."""

    month: str
    ceiling: Decimal


class GrantStore(Protocol):
    """What was promised, by key, and how much in each month. Any method may raise a TransientError."""

    def load(self, key: str) -> GrantRecord | None:
        """Return what is promised under a key, as of the latest write; None where nothing is."""
        ...

    def promised(self, month: str) -> Decimal:
        """Return how much is promised for a month, as of the latest write."""
        ...

    def intents(self, allowance: MonthlyBudget | None, by: str) -> Intents:
        """Return the intents of one grant: its claim and its part of the month are one write, or none.

        A new claim raises OverCeilingError where the allowance leaves no room. Without an allowance
        there is no new claim at all, but a ConflictError: what is not promised is not to be granted.
        """
        ...


class CreditGranter(Protocol):
    """The platform's API, as far as credits are concerned."""

    def grant(  # noqa: PLR0913 - what, to whom, once per what, and whether to try again
        self, customer_id: str, amount: Decimal, *, key: str, note: str, intents: Intents, again: bool
    ) -> GrantStatus:
        """Grant credits once for the key; without `again` a request that may have been lost stays so.

        Raises:
            MisconfiguredError: the key is wrong; nothing was granted.
            PermanentError: `grant_refused`; nothing was granted.
            TransientError: not now; what is promised is in the intents.
            ConflictError, OverCeilingError: the intents said so.

        """
        ...
