"""Computes the member as every CRM shows it: one table of fields, and their values for a record.

Names and meanings are a contract with the merchant's segments and flows: a name never gets
another meaning. Each adapter maps this table to its CRM's names and types. Every send writes every field: an
unknown value is None and clears the CRM's. So a CRM's state follows from the record alone, whatever was sent before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, Literal, TypeAlias, get_args

from relay.model.calendar import day_in
from relay.model.fields import Value, ValueKind, to_stored
from relay.model.formats import number_text
from relay.model.member import Member, PaymentStatus, Status
from relay.rules import credits, dunning
from relay.rules.declines import decline_code
from relay.rules.segments import billing_interval, is_high_value
from relay.rules.settings import CrmName, ErasedContacts, Rules

PersonField: TypeAlias = Literal["first_name", "last_name", "phone"]


@dataclass(frozen=True, slots=True)
class CrmField:
    """The type of one field; `choices` are the only texts allowed, empty where every text is.

    `to_the_second` marks a moment that the platform gives with milliseconds in one topic and without in
    another: the milliseconds are cut, so that the same moment from both topics is no change.
    """

    kind: ValueKind
    choices: tuple[str, ...] = ()
    to_the_second: bool = False


_TEXT: Final = CrmField(ValueKind.TEXT)
_MONEY: Final = CrmField(ValueKind.MONEY)
_COUNT: Final = CrmField(ValueKind.COUNT)
_MOMENT: Final = CrmField(ValueKind.MOMENT)

CRM_FIELDS: Final[dict[str, CrmField]] = {
    # identity
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
    "next_attempt_at": _MOMENT,
    "final_attempt_at": _MOMENT,
    "last_decline_code": _TEXT,
    "last_decline_text": _TEXT,
    "manage_url": _TEXT,
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
    # the membership's end, and rejoining
    "pending_cancel_at": _MOMENT,
    "cancelled_at": _MOMENT,
    "cancel_type": CrmField(ValueKind.TEXT, ("voluntary", "involuntary", "merchant")),
    "cancel_reason": _TEXT,
    "rejoined_at": _MOMENT,
    "rejoin_count": _COUNT,
    # other
    "referrals_count": _COUNT,
    "revenue": _MONEY,
    "last_order_at": _MOMENT,
    "high_value": CrmField(ValueKind.FLAG),
    # freshness
    "last_event_at": _MOMENT,
    "mirror_updated_at": _MOMENT,
}

NOT_COMPARED: Final = frozenset({"last_event_at", "mirror_updated_at"})
"""Fields that every send writes and that never cause a send.

`mirror_updated_at` is the time of the send. `last_event_at` changes with every fact, and most facts repeat what
is known: the daily reading dates every member anew, and would send the whole shop to every CRM, a day of API
calls, for this field. So it shows the time of the newest event up to the latest difference.
"""

_FINEST: Final = Decimal("0.001")
"""What every CRM holds. Fees have the decimals of their currency from the reading on; store credit names no currency."""

_WIDE: Final = Context(prec=64)
"""Enough digits for the longest amount of a webhook; the default of 28 would raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmProfile:
    """The wanted state of one member in a CRM: a value for each name of `CRM_FIELDS`, in that order.

    `backfill` marks a send that a back-fill alone asked for: it should start no flow. Names and phone are written where
    the contact's own field is empty, in the CRMs of `write_names`: a change of them is no difference. In the CRMs of
    `remake_contacts`, a contact that the merchant deleted is made again. `erased` is set for an erased member:
    what happens to the contacts that Relay made.
    """

    key: str
    values: Mapping[str, Value]
    backfill: bool = False
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    write_names: tuple[CrmName, ...] = ()
    erased: ErasedContacts | None = None
    remake_contacts: tuple[CrmName, ...] = ()

    @property
    def email(self) -> str | None:
        """The member's e-mail address, if one is known."""
        value = self.values["email"]
        return value if isinstance(value, str) else None

    def person(self, target: CrmName) -> dict[PersonField, str]:
        """Return the names and the phone number that this CRM may get, only those that are known; it may get none."""
        if target not in self.write_names:
            return {}
        known: dict[PersonField, str] = {
            "first_name": self.first_name,
            "last_name": self.last_name,
            "phone": self.phone,
        }
        return {name: value.strip() for name, value in known.items() if value.strip()}

    @property
    def digest(self) -> str:
        """A hash of the compared fields; the member is sent when it differs from the last one sent.

        The table's names take part: a field added to it reaches each member with the next change.
        """
        values = [
            [name, _digest_value(value)]
            for name, value in self.values.items()
            if name not in NOT_COMPARED and value is not None
        ]
        text = json.dumps([sorted(CRM_FIELDS), values], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def sent_at(self, moment: datetime, *, backfill: bool = False) -> CrmProfile:
        """Return the same profile with the time of its send."""
        return replace(self, values={**self.values, "mirror_updated_at": moment}, backfill=backfill)


def crm_profile(member: Member, rules: Rules, zone: tzinfo = UTC) -> CrmProfile:
    """Return the wanted state of a member in every CRM. Evidence (`seen_…`) is never part of it.

    `zone` is the shop's: of a moment in a field that shows a day, it tells the day.
    """
    expiring, expiring_at = credits.next_expiry(member)
    computed: dict[str, Value] = {
        "key": member.key,
        "shopify_customer_id": member.customer_id,
        "status": member.status,
        "payment_status": member.payment_status,
        "cancelled_at": member.ended_at,
        "billing_interval": billing_interval(member, rules) if member.is_billed else None,
        "attempts_left": dunning.attempts_left(member, rules),
        "next_attempt_at": dunning.next_attempt_at(member, rules),
        "final_attempt_at": dunning.final_attempt_at(member, rules),
        "last_decline_code": decline_code(member.text("last_decline_text")),
        "manage_url": rules.manage_url_of(member.customer_id),
        "recovered_at": member.recovered_at,
        "credits_expiring_amount": None if expiring is None else _sendable(_MONEY, expiring),
        "credits_expiring_at": expiring_at,
        "rejoined_at": member.rejoin_times[-1] if member.rejoin_times else None,
        "rejoin_count": len(member.rejoin_times) or None,
        "high_value": is_high_value(member, rules),
        "last_event_at": member.newest_at,
        "mirror_updated_at": None,
        # What is past is not shown as to come.
        **dict.fromkeys(member.past & CRM_FIELDS.keys()),
    }
    return CrmProfile(
        key=member.key,
        first_name=member.text("first_name") or "",
        last_name=member.text("last_name") or "",
        phone=member.text("phone") or "",
        write_names=rules.write_names,
        erased=rules.erase_contacts if member.is_erased else None,
        remake_contacts=rules.remake_contacts,
        values={
            name: computed[name] if name in computed else _sendable(crm_field, member.value(name), zone)
            for name, crm_field in CRM_FIELDS.items()
        },
    )


def _sendable(crm_field: CrmField, value: Value, zone: tzinfo = UTC) -> Value:
    """Return money to three decimals, no text that is no choice, days by the zone, and moments to the second where the field says so.

    A text that is no choice is dropped because a CRM
    would refuse the whole member for it, balance and status included.
    """
    if isinstance(value, Decimal):
        return value.quantize(_FINEST, ROUND_HALF_EVEN, _WIDE)
    if crm_field.choices and isinstance(value, str):
        return value.lower() if value.lower() in crm_field.choices else None
    if crm_field.kind is ValueKind.DAY:
        return day_in(value, zone)
    if crm_field.to_the_second and isinstance(value, datetime):
        return value.replace(microsecond=0)
    return value


def _digest_value(value: Value) -> str | int | bool | None:
    """Return a value as JSON has it, equal values in the same form."""
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, datetime | date):
        stored: str | int = to_stored(value)
        return stored
    return value
