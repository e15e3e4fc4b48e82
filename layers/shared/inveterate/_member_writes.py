"""Preconditions of the two dangerous member writes: no member is downgraded and no profile field is wiped by accident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from inveterate._call import Call
from inveterate._errors import NotFoundError, RefusedLocallyError
from inveterate._ids import TierId
from inveterate._replies import Receipt
from inveterate._retries import Retries, request_steps
from inveterate._steps import Steps
from inveterate.models.members import Member, UpdateMember

_CANCELLED: Final = "CANCELLED"


def find_member(call: Call[Member], retries: Retries) -> Steps[Member | None]:
    """Read a member; return None where the platform says that there is none, with a key that is good."""
    try:
        return (yield from request_steps(call, retries))
    except NotFoundError:
        return None


def refuse_downgrade(member: Member | None, tier_id: TierId, call: Call[Receipt]) -> None:
    """Refuse to move a member of another tier: tiers have no documented rank, so any move can be a downgrade.

    Raises:
        RefusedLocallyError: names the field `tier_id`.

    """
    if member is None or member.status == _CANCELLED or member.tier_id == tier_id:
        return
    raise refused_locally("the customer is a member of another tier already", ("tier_id",), call)


def merge_profile(
    given: Mapping[str, str | None], member: Member | None
) -> tuple[UpdateMember, tuple[str, ...]]:
    """Complete the given fields from the record; return the body, and the fields that neither has."""
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


def refuse_wiping(unknown: tuple[str, ...], call: Call[Receipt]) -> None:
    """Refuse an update that wipes fields.

    Raises:
        RefusedLocallyError: names the fields.

    """
    if unknown:
        raise refused_locally(f"the record does not show {', '.join(unknown)}", unknown, call)


def refused_locally(message: str, fields: tuple[str, ...], call: Call[Any]) -> RefusedLocallyError:
    """Return the error for a call that was not sent."""
    error = RefusedLocallyError(message, method=call.method, path=call.path)
    error.fields = fields
    return error
