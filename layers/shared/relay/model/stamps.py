"""Decides which of two facts is the newer one, by their time and, within a millisecond, by their meaning.

    number = milliseconds since 1970 · 256 + rank · 16 + ordinal

The larger number wins, then the larger event id. The rank says which topic's fact is kept for one
moment: after a cancellation and a joining of one millisecond the member is a member. The ordinal is the number
of the billing attempt. The event id decides only between two events of one topic, so that every order of
arrival ends with the same record. The time of the delivery takes no part: a retry may renew it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from relay.model.fields import from_millis, to_millis

READING: Final = 0
"""The rank of a reading of the API: every event of the same moment outranks it."""

RANKS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "customer.updated": 1,
        "customer.ordered": 1,
        "customer.payment_methods.updated": 1,
        "customer.credits.updated": 2,
        "customer.credits.expired": 2,
        "customer.pending_cancellation": 3,
        "customer_billing.attempt.failed": 4,
        "customer.payment_failed": 5,
        "customer.payment_succeeded": 6,
        "customer.cancelled": 7,
        "customer.changed_tier": 8,
        "customer.joined.paid_tier": 9,
        "customer.joined.free_tier": 9,
        "customer.joined.free_trial": 9,
        "customer.joined.lifetime_tier": 9,
    }
)
"""By topic; a new topic needs a rank. Stored in every record: a rank is never changed, or two records of one history would differ."""

HIGHEST_ORDINAL: Final = 15
_RANK: Final = 16
_MILLISECOND: Final = 256


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """When a fact became true, and which event reported it; compares as described above."""

    number: int
    event_id: str

    @classmethod
    def of(cls, at: datetime, event_id: str, *, rank: int = READING, ordinal: int = 0) -> Stamp:
        """Return the stamp of a fact of the moment `at` (aware, cut to milliseconds)."""
        within = rank * _RANK + min(max(ordinal, 0), HIGHEST_ORDINAL)
        return cls(to_millis(at) * _MILLISECOND + within, event_id)

    @property
    def at(self) -> datetime:
        """The moment of the fact, to the millisecond (UTC)."""
        return at_of(self.number)


def at_of(number: int) -> datetime:
    """Return the moment in a stamp's number, to the millisecond (UTC)."""
    return from_millis(number // _MILLISECOND)


def rank_of(number: int) -> int:
    """Return the rank in a stamp's number."""
    return number % _MILLISECOND // _RANK


def ordinal_of(number: int) -> int:
    """Return the ordinal in a stamp's number."""
    return number % _RANK
