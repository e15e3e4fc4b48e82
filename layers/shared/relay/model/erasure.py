"""Decides whether a member is erased, and keeps personal data out of the record of one who is.

Four moments in the record decide, and each only grows, so that events, readings of the API and commands in any order
end with the same answer:

    erased_at            the erasure: the time of the webhook that announced it, or of the command
    erasure_lifted_at    the command that lifted it
    erasure_asked_at     a webhook's erasure that the API has to confirm
    erasure_refused_at   the latest one that the API denied for a day

A member is erased while `erased_at` is newer than the newest joining and than `erasure_lifted_at`. A webhook that
says the opposite does not count: a forged or an old one would bring the person back. What was told before the
erasure stays dropped even after a joining; what arrives while the member is erased is not taken. So personal data is
never present when it must not be, and may be missing until it is told again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from relay.model.fields import FIELDS, Value
from relay.model.milestones import FOUND

if TYPE_CHECKING:
    from relay.model.member import Member

PERSONAL: Final = tuple(name for name, field in FIELDS.items() if field.personal)
"""The fields that an erasure drops."""


def is_erased(member: Member) -> bool:
    """Return whether the member is erased."""
    return _stands(member, member.moment("erased_at"))


def open_claim(member: Member) -> datetime | None:
    """Return the time of the webhook's erasure that the API has neither confirmed nor denied for good; None without one."""
    claimed, erased = member.moment("erasure_asked_at"), member.moment("erased_at")
    refused = member.moment("erasure_refused_at")
    answered = max((at for at in (erased, refused) if at), default=None)
    return claimed if _stands(member, claimed) and claimed and _newer(claimed, answered) else None


def _stands(member: Member, at: datetime | None) -> bool:
    """Return whether an erasure of this time is newer than the newest joining and than the lifting.

    A joining that a reading of the API has found is none: no reading brings the person back.
    """
    joinings = (each for each in member.milestones if each.kind == "joined" and each.detail != FOUND)
    joined = max((each.at for each in joinings), default=None)
    return at is not None and _newer(at, joined) and _newer(at, member.moment("erasure_lifted_at"))


def _newer(at: datetime, other: datetime | None) -> bool:
    return other is None or at > other


def without_erased(member: Member) -> Member:
    """Return the record without what an erasure drops.

    An erased member has no personal field, and no field that this version of the code does not know: it may be personal.
    """
    erased_at, lifted_at = member.moment("erased_at"), member.moment("erasure_lifted_at")
    if erased_at is None or not _newer(erased_at, lifted_at):
        return member
    erased = is_erased(member)
    registers = {
        name: register
        for name, register in member.registers.items()
        if not FIELDS[name].personal or (not erased and register.at > erased_at)
    }
    return replace(member, registers=registers, unknown={} if erased else member.unknown)


def asked_instead(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return a webhook's values with its erasure as a claim that the API has to confirm."""
    return {"erasure_asked_at" if name == "erased_at" else name: value for name, value in values.items()}
