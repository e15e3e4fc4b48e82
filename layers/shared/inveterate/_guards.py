"""What is checked before anything dangerous is sent: arguments, downgrades, fields that would be wiped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from inveterate._call import Call
from inveterate._errors import NoRecordError, NotFoundError, RefusedHereError
from inveterate._ids import CustomerId, TierId
from inveterate._replies import Receipt
from inveterate._retries import Retries, converse
from inveterate._scalars import read_money
from inveterate._steps import Conversation
from inveterate.models.members import Member, UpdateMember

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_GONE: Final = "CANCELLED"


def limit_text(limit: int) -> str:
    """Return a page size as the text that the platform wants.

    Raises:
        ValueError: when it is less than 1.

    """
    if isinstance(limit, bool) or limit < 1:
        raise ValueError("limit must be a whole number from 1")
    return str(limit)


def checked_amount(amount: Decimal | int) -> Decimal:
    """Return an amount of credits.

    Raises:
        ValueError: when it is no number, or zero, which the platform refuses.

    """
    # A float is refused although JSON could carry it: 0.1 + 0.2 is not money.
    if isinstance(amount, float) or not (money := read_money(amount)):
        raise ValueError("an amount is a Decimal or an int, and not 0")
    return money


def checked_opening_credits(amount: Decimal | int) -> Decimal:
    """Return the opening credits of a member.

    Raises:
        ValueError: when they are less than 1, the documented minimum.

    """
    if (money := checked_amount(amount)) < 1:
        raise ValueError("the platform wants at least 1 credit")
    return money


def checked_birthday(day: date | str) -> str:
    """Return a birthday as YYYY-MM-DD; empty text stays empty.

    Raises:
        ValueError: when it is no such date.

    """
    if isinstance(day, datetime):
        day = day.date()
    if isinstance(day, date):
        return day.isoformat()
    if day and not _DAY.fullmatch(day):
        raise ValueError("a birthday is YYYY-MM-DD")
    return date.fromisoformat(day).isoformat() if day else ""


def member_if_any(call: Call[Member], retries: Retries) -> Conversation[Member | None]:
    """Read a member; None where the platform says that there is none.

    A 400 counts as an error and not as "none": whoever looks before a dangerous step must not
    mistake a refusal for an answer.
    """
    try:
        return (yield from converse(call, retries))
    except (NotFoundError, NoRecordError):
        return None


def refuse_downgrade(member: Member | None, tier_id: TierId, call: Call[Receipt]) -> None:
    """Refuse to move a member who is in another tier: tiers have no documented rank, so any move may be down.

    Raises:
        RefusedHereError: always names the field `tier_id`.

    """
    if member is None or member.status == _GONE or member.tier_id == tier_id:
        return
    raise refusal("the customer is a member of another tier already", ("tier_id",), call)


def merged(given: Mapping[str, str | None], member: Member | None) -> tuple[UpdateMember, tuple[str, ...]]:
    """Complete what is given with what the record shows; return the body, and the fields that nobody shows."""
    fields: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in given.items():
        if value is not None:
            fields[name] = value
        elif member is not None and member.has(name):
            fields[name] = getattr(member, name)
        else:
            unknown.append(name)
    return UpdateMember.model_construct(**fields), tuple(unknown)


def refuse_wiping(
    unknown: tuple[str, ...], member: Member | None, customer_id: CustomerId, call: Call[Receipt]
) -> None:
    """Refuse an update that would wipe fields, or write one member's profile over another's.

    Raises:
        RefusedHereError: names the fields.

    """
    if member is not None and member.customer_id != customer_id:
        raise refusal("the platform answered with another member's record", ("customer_id",), call)
    if unknown:
        raise refusal(f"the record does not show {', '.join(unknown)}", unknown, call)


def refusal(message: str, fields: tuple[str, ...], call: Call[Any]) -> RefusedHereError:
    """Make the error that says why a call was not sent."""
    error = RefusedHereError(message, method=call.method, path=call.path)
    error.fields = fields
    return error
