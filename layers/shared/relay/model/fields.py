"""The fields of a member's record that events set, and the type of each.

This table and `rules/crm_profile.py`'s are the contract with the merchant: a name never gets another meaning.
What can be computed from these fields (status, payment status, attempts left, high value) is not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

Value: TypeAlias = str | Decimal | int | bool | datetime | date | None


class ValueKind(StrEnum):
    """The type of a field's value in the record, in the table and in every CRM."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"
    FLAG = "flag"
    MOMENT = "moment"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Field:
    """The type of one register. Erasure clears the `personal` ones."""

    kind: ValueKind
    personal: bool = False


_TEXT: Final = Field(ValueKind.TEXT)
_MONEY: Final = Field(ValueKind.MONEY)
_COUNT: Final = Field(ValueKind.COUNT)
_MOMENT: Final = Field(ValueKind.MOMENT)
_PERSONAL: Final = Field(ValueKind.TEXT, personal=True)

FIELDS: Final[dict[str, Field]] = {
    # identity
    "email": _PERSONAL,
    "phone": _PERSONAL,
    "first_name": _PERSONAL,
    "last_name": _PERSONAL,
    # erasure (`erasure.py`)
    "erased_at": _MOMENT,
    "erasure_lifted_at": _MOMENT,
    "erasure_asked_at": _MOMENT,
    "erasure_refused_at": _MOMENT,
    "erasure_denied_since": _MOMENT,  # since when the API has denied what a webhook asks for
    # the membership
    "joined_at": _MOMENT,  # a move down to a free tier sets it too: `milestones.py` knows the joinings alone
    "first_joined_at": _MOMENT,
    "tier_id": _TEXT,
    "tier_name": _TEXT,
    "tier_type": _TEXT,
    "previous_tier_id": _TEXT,
    "previous_tier_name": _TEXT,
    "tier_changed_at": _MOMENT,
    "trial_ends_at": _MOMENT,
    # the membership's end
    "pending_since": _MOMENT,  # when it was announced: the announcement may lack the date
    "pending_cancel_at": _MOMENT,
    "pending_cancel_source": _TEXT,
    "cancelled_at": _MOMENT,
    "cancel_type": _TEXT,
    "cancel_reason": _TEXT,
    # `cancelled`, `pending_cancellation`, `gone`, or `unknown` for a word that Relay does not know, in a reading of the API, which
    # does not say since when: a register of its own, so that a reading never replaces what an event says.
    "found_status": _TEXT,
    "found_since": _MOMENT,  # the date of the first reading that found it: each comparison dates the finding anew
    # payments
    "fee_amount": _MONEY,
    "fee_currency": _TEXT,
    "fee_days": _COUNT,  # from the payment to the next date that it named
    "charge_amount": _MONEY,  # of a payment that names no next date: the fee only while no other is known
    "charge_currency": _TEXT,
    "next_payment_on": Field(ValueKind.DAY),
    "last_payment_at": _MOMENT,
    "payment_method_updated_at": _MOMENT,
    "failed_attempts": _COUNT,
    "unpaid": _MONEY,  # the fee that is open
    "unpaid_currency": _TEXT,
    "last_failure_at": _MOMENT,
    "last_decline_text": _TEXT,
    "payment_lost_at": _MOMENT,
    # credits
    "credit_balance": _MONEY,
    "credits_earned_total": _MONEY,
    "last_credit_delta": _MONEY,
    "last_credit_reason": _TEXT,
    "last_expired_amount": _MONEY,
    "credits_expired_at": _MOMENT,
    # other
    "last_order_at": _MOMENT,
    "referrals_count": _COUNT,
    "revenue": _MONEY,
    # evidence from a snapshot without a clock of its own: compared with the record, never sent to a CRM
    "seen_status": _TEXT,
    "seen_tier_id": _TEXT,
    "seen_balance": _MONEY,
    "read_at": _MOMENT,  # the newest reading of the API
}

EVIDENCE_FIELDS: Final = frozenset({"seen_status", "seen_tier_id", "seen_balance"})
"""What a snapshot says and no event has told: compared with the record."""

NOT_SHOWN: Final = EVIDENCE_FIELDS | {"read_at", "found_since"}
"""Fields that no CRM and no rule sees."""

EARLIEST_WINS: Final = frozenset({"first_joined_at"})
"""Registers that keep the older value."""

LATEST_WINS: Final = frozenset({"erased_at", "erasure_lifted_at", "erasure_asked_at", "erasure_refused_at"})
"""Registers that keep the newer value, whichever event or reading brought it: they only grow."""
TOGETHER: Final = (
    frozenset({"fee_amount", "fee_currency", "fee_days"}),
    frozenset({"charge_amount", "charge_currency"}),
    frozenset({"unpaid", "unpaid_currency"}),
    frozenset({"cancelled_at", "cancel_type"}),
    frozenset({"found_status", "found_since"}),
    frozenset({"previous_tier_id", "previous_tier_name"}),
    frozenset({"last_credit_delta", "last_credit_reason"}),
    frozenset({"last_expired_amount", "credits_expired_at"}),
)
"""Values that mean something together: facts that have one of a group have all of it, so that one stamp decides for all."""

UNTIL_SETTLED: Final = frozenset(
    {
        "failed_attempts",
        "unpaid",
        "unpaid_currency",
        "last_failure_at",
        "last_decline_text",
        "payment_lost_at",
    }
)
"""Fields of a failed fee: they hold until it is paid, or the membership ends or begins anew."""

UNTIL_ENDED: Final = frozenset({"pending_since", "pending_cancel_at", "pending_cancel_source"})
"""Fields of an announced end: they hold until the membership ends. The end of another tier leaves them as they are."""

OF_THE_CHAIN: Final = frozenset({"last_credit_delta", "last_credit_reason"})
"""Fields of which, within one second, the chain of balances decides (`together.py`)."""

UNTIL_BILLING_ENDS: Final = frozenset({"fee_amount", "fee_days", "charge_amount", "next_payment_on"})
"""Fields of a running fee: they hold until the membership ends, or a tier without a fee is joined."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def to_millis(moment: datetime) -> int:
    """Return a moment as whole milliseconds since 1970 (UTC)."""
    return (moment - _EPOCH) // _MILLISECOND


def from_millis(millis: int) -> datetime:
    """Return the moment that is `millis` milliseconds after 1970 (UTC)."""
    return _EPOCH + millis * _MILLISECOND


def whole_millis(moment: datetime) -> datetime:
    """Return a moment cut to the millisecond, as the table stores it.

    Without the cut, a write between two events could change which of them is newer.
    """
    return from_millis(to_millis(moment))


def to_stored(value: Value) -> Any:
    """Return a value as the table stores it: moments as milliseconds, days as text."""
    if isinstance(value, datetime):
        return to_millis(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


def from_stored(kind: ValueKind, stored: Any) -> Value:
    """Return the value that `to_stored` was given."""
    if stored is None:
        return None
    match kind:
        case ValueKind.MOMENT:
            return from_millis(int(stored))
        case ValueKind.DAY:
            # A number is a moment of which the shop's zone tells the day.
            return date.fromisoformat(stored) if isinstance(stored, str) else from_millis(int(stored))
        case ValueKind.COUNT:
            return int(stored)
        case ValueKind.MONEY:
            return Decimal(stored)
        case _:
            value: Value = stored
            return value
