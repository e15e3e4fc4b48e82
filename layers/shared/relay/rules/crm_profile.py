"""The member as every CRM gets to see it: one table of fields, and the values that a record gives them.

Names and meanings are a contract with the merchant, who builds segments and flows on them: a name here
is never given another meaning. Each adapter maps this table to its CRM's names and types, and each
field is written whenever a member is: what is unknown is None and clears what stood there. So a CRM's
state follows from the record alone, whatever was sent before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, get_args

from relay.model.fields import Value, ValueKind, to_stored
from relay.model.formats import number_text
from relay.model.member import Member, PaymentStatus, Status
from relay.rules import credits, dunning
from relay.rules.segments import billing_interval, is_high_value
from relay.rules.settings import Rules


@dataclass(frozen=True, slots=True)
class CrmField:
    """One canonical field. `choices` are the only texts that it may hold; empty where any will do.

    `to_the_second` says that the platform tells this moment with milliseconds in one place and without in
    another: they are cut, so that a second alert_message of the same moment is no change.
    """

    kind: ValueKind
    choices: tuple[str, ...] = ()
    to_the_second: bool = False


_TEXT: Final = CrmField(ValueKind.TEXT)
_MONEY: Final = CrmField(ValueKind.MONEY)
_COUNT: Final = CrmField(ValueKind.COUNT)
_MOMENT: Final = CrmField(ValueKind.MOMENT)

CRM_FIELDS: Final[dict[str, CrmField]] = {
    # who it is
    "key": _TEXT,
    "email": _TEXT,
    "shopify_customer_id": _TEXT,
    # the membership
    "status": CrmField(ValueKind.TEXT, get_args(Status)),
    "payment_status": CrmField(ValueKind.TEXT, get_args(PaymentStatus)),
    "tier_id": _TEXT,
    "tier_name": _TEXT,
    "previous_tier_name": _TEXT,
    "tier_type": CrmField(ValueKind.TEXT, ("paid", "free", "trial", "lifetime")),
    "joined_at": CrmField(ValueKind.MOMENT, to_the_second=True),
    "first_joined_at": _MOMENT,
    "tier_changed_at": _MOMENT,
    "trial_ends_at": _MOMENT,
    # payments
    "next_payment_on": CrmField(ValueKind.DAY),
    "fee_amount": _MONEY,
    "fee_currency": _TEXT,
    "billing_interval": _TEXT,
    "last_payment_at": _MOMENT,
    "payment_method_updated_at": _MOMENT,
    "failed_attempts": _COUNT,
    "attempts_left": _COUNT,
    "final_attempt_at": _MOMENT,
    "last_decline_code": _TEXT,
    "recovered_at": _MOMENT,
    # credits
    "credit_balance": _MONEY,
    "credits_earned_total": _MONEY,
    "credits_expiring_amount": _MONEY,
    "credits_expiring_at": _MOMENT,
    "credits_expired_at": _MOMENT,
    "last_credit_delta": _MONEY,
    "last_credit_reason": _TEXT,
    "last_expired_amount": _MONEY,
    # its end, and its return
    "pending_cancel_at": _MOMENT,
    "cancelled_at": _MOMENT,
    "cancel_type": CrmField(ValueKind.TEXT, ("voluntary", "involuntary", "merchant")),
    "cancel_reason": _TEXT,
    "rejoined_at": _MOMENT,
    "rejoin_count": _COUNT,
    # the rest
    "referrals_count": _COUNT,
    "revenue": _MONEY,
    "last_order_at": _MOMENT,
    "high_value": CrmField(ValueKind.FLAG),
    # how fresh this is
    "last_event_at": _MOMENT,
    "mirror_updated_at": _MOMENT,
}

NOT_COMPARED: Final = frozenset({"last_event_at", "mirror_updated_at"})
"""Fields that travel with a send and never cause one.

`mirror_updated_at` is the send's own time. `last_event_at` moves with every fact, and most facts repeat
what is known: the daily reading of all members re-dates each of them, and would re-send the whole shop to
every CRM, a day's worth of API calls, for one column. So it says how fresh the newest *difference* is.
"""

_CENT: Final = Decimal("0.01")
_WIDE: Final = Context(prec=64)
"""Room for the longest amount that a webhook can tell; the usual 28 digits would raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmProfile:
    """What a CRM shall hold of one member: a value for each name of `CRM_FIELDS`, in its order.

    `backfill` marks a profile that a back-fill sends: it is no news, and starts no automation.
    """

    key: str
    values: Mapping[str, Value]
    backfill: bool = False

    @property
    def email(self) -> str | None:
        """The member's e-mail address, if one is known."""
        value = self.values["email"]
        return value if isinstance(value, str) else None

    @property
    def digest(self) -> str:
        """A hash of the fields that matter. Another one means: send.

        The names take part: a field added to the table is sent to everybody with their next change.
        """
        told = [
            [name, _plain(value)]
            for name, value in self.values.items()
            if name not in NOT_COMPARED and value is not None
        ]
        text = json.dumps([sorted(CRM_FIELDS), told], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def sent_at(self, moment: datetime, *, backfill: bool = False) -> CrmProfile:
        """Return the same profile, marked with when it is sent."""
        return replace(self, values={**self.values, "mirror_updated_at": moment}, backfill=backfill)


def crm_profile(member: Member, rules: Rules) -> CrmProfile:
    """Return what CRMs shall hold of a member. Evidence (`seen_…`) and names are never part of it."""
    expiring, expiring_at = credits.expiring(member)
    given: dict[str, Value] = {
        "key": member.key,
        "shopify_customer_id": member.customer_id,
        "status": member.status,
        "payment_status": member.payment_status,
        "cancelled_at": member.ended_at,
        "billing_interval": billing_interval(member, rules),
        "attempts_left": dunning.attempts_left(member, rules),
        "final_attempt_at": dunning.final_attempt_at(member, rules),
        "recovered_at": member.recovered_at,
        "credits_expiring_amount": None if expiring is None else _tidy(_MONEY, expiring),
        "credits_expiring_at": expiring_at,
        "rejoined_at": member.returns[-1] if member.returns else None,
        "rejoin_count": len(member.returns) or None,
        "high_value": is_high_value(member, rules),
        "last_event_at": member.newest,
        "mirror_updated_at": None,
    }
    return CrmProfile(
        key=member.key,
        values={
            name: given[name] if name in given else _tidy(column, member.value(name))
            for name, column in CRM_FIELDS.items()
        },
    )


def _tidy(column: CrmField, value: Value) -> Value:
    """Round money to cents; drop a text that is no choice; cut a moment that is told to the second.

    Cents, because a sum like 0.1 + 0.2 reaches us as 0.30000000000000004. A text that is no choice is
    dropped because a CRM would refuse the whole member for it, balance and status included.
    """
    if isinstance(value, Decimal):
        return value.quantize(_CENT, ROUND_HALF_EVEN, _WIDE)
    if column.choices and isinstance(value, str):
        return value.lower() if value.lower() in column.choices else None
    if column.to_the_second and isinstance(value, datetime):
        return value.replace(microsecond=0)
    return value


def _plain(value: Value) -> str | int | bool | None:
    """Write a value so that equal values are written alike."""
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, datetime | date):
        stored: str | int = to_stored(value)
        return stored
    return value
