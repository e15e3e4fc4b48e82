"""Ports of credit grants: records that are written before a request goes out, so that credits are granted at most once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from inveterate import GrantStatus, Intents


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRecord:
    """A grant of credits, recorded before its request is sent; `granted` once it is certain that it was made.

    `by` is the id of the effect that requested them first; `at` is when the latest request was allowed.
    """

    customer_id: str
    amount: Decimal
    by: str
    at: datetime
    granted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyBudget:
    """How much may be granted for one calendar month (`2026-11`): `ceiling` counts all records, granted or not."""

    month: str
    ceiling: Decimal


class GrantStore(Protocol):
    """The grants by key, and the sum of each month. Any method may raise a TransientError."""

    def load(self, key: str) -> GrantRecord | None:
        """Return the record under a key, as of the latest write; None where there is none."""
        ...

    def claimed(self, month: str) -> Decimal:
        """Return how much of a month's budget is claimed, as of the latest write."""
        ...

    def intents(self, budget: MonthlyBudget | None, by: str) -> Intents:
        """Return the SDK's intents of one grant: its record and its part of the month are one write, or none.

        A new record raises OverBudgetError where the budget does not cover it. Without a budget a new record
        raises ConflictError: credits without a record are not to be granted.
        """
        ...


class CreditGranter(Protocol):
    """The part of the platform's API that grants credits."""

    def grant(  # noqa: PLR0913 - what, for which member, once per what, and whether to try again
        self, customer_id: str, amount: Decimal, *, key: str, note: str, intents: Intents, again: bool
    ) -> GrantStatus:
        """Grant credits once for the key; without `again` a request that may have been lost is not repeated.

        Raises:
            MisconfiguredError: the key is wrong; nothing was granted.
            PermanentError: `grant_refused`; nothing was granted.
            TransientError: not now; the intents hold the record.
            ConflictError, OverBudgetError: raised by the intents.

        """
        ...
