"""Tells why a membership ends or has ended, from its events and from what was announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from relay.model.fields import Value
    from relay.model.member import Member

_SOURCES: Final = {"voluntary": "CUSTOMER", "involuntary": "FAILURE", "merchant": "MERCHANT"}
"""The platform's word for each kind of ending."""


def cancel_type(member: Member) -> Value:
    """Return the kind of the ending; of one that a reading alone has found, the kind that was told last."""
    register = member.registers.get("cancel_type")
    return member.ending_kind or (register.value if register and member.ended_at else None)


def cancel_reason(member: Member) -> Value:
    """Return why the membership ends or ended. The ending of another tier says nothing of the member's."""
    register, ending = member.registers.get("cancel_reason"), member.ending
    announced = member.registers.get("pending_cancel_source")
    if ending is None:
        if register is None or not (member.is_leaving or member.ended_at):
            return None
        is_foreign = any(each.number == register.stamp.number for each in member.history.foreign)
        return member.registered("pending_cancel_source") if is_foreign else register.value
    if register and register.value and register.stamp.number == ending.number:
        return register.value
    # An ending that names no source leaves the one that was announced, where it is of the same kind.
    word = _SOURCES.get(member.ending_kind or "")
    return word if ending.detail in _SOURCES or (announced and announced.value == word) else None
