"""Classifies memberships that end or are about to, and builds the alerts of both."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from relay.model.effects import Alert, KpiName, Level
from relay.model.formats import day_text, detail_rows, moment_text
from relay.model.member import Member

EndingKind: TypeAlias = Literal["voluntary", "involuntary", "merchant"]

_KINDS: Final[dict[str, EndingKind]] = {
    "FAILURE": "involuntary",
    "CUSTOMER": "voluntary",
    "MERCHANT": "merchant",
}
"""By the platform's word for the source. These are the documented ones; another leaves the kind unknown."""

ENDINGS: Final[dict[EndingKind, tuple[str, KpiName]]] = {
    "voluntary": ("cancel.voluntary", "left_voluntarily"),
    "involuntary": ("cancel.involuntary", "left_involuntarily"),
    "merchant": ("cancel.merchant", "left_by_merchant"),
}
"""For each kind, the id of its rule and the name of its KPI."""


def source(text: str | None) -> str | None:
    """Return the platform's word for the source of a cancellation, in upper case."""
    return text.upper() if text else None


def ending_kind(text: str | None) -> EndingKind | None:
    """Return the kind of an ending by its source; None for an unknown word."""
    return _KINDS.get(source(text) or "")


def incident_key(member: Member) -> str | None:
    """Return the key of the incident of a pending cancellation; None where none is pending."""
    ends_at = member.moment("pending_cancel_at")
    return None if ends_at is None else f"cancel:{member.key}:{day_text(ends_at)}"


def is_over(member: Member) -> bool:
    """Return whether the membership ended after its cancellation was announced. No topic reports that one was withdrawn."""
    pending = member.registers.get("pending_cancel_at")
    return pending is not None and member.ended_at is not None and member.ended_at >= pending.at


def ending_incident_key(member: Member) -> str:
    """Return the key of the incident of an ending that was not announced."""
    return f"cancelled:{member.key}:{day_text(member.ended_at)}"


def ending_alert(rule: str, title: str, after: Member, *, level: Level) -> Alert:
    """Return the alert of an ending that was not announced."""
    return Alert(
        rule=rule,
        incident_key=ending_incident_key(after),
        level=level,
        one_off=True,
        title=title,
        details=detail_rows(("Ended", moment_text(after.ended_at)), ("Cause", after.text("cancel_reason"))),
        advice="The member can be invited back.",
    )


def resumed_alert(before: Member, title: str) -> Alert:
    """Return the alert that a pending cancellation is off; `before` is the record in which it was pending."""
    return _resolution("cancel.resumed", before, title)


def ended_alert(before: Member) -> Alert:
    """Return the alert that a pending cancellation has taken effect; `before` is the record in which it was pending."""
    return _resolution("cancel.ended", before, "The membership has ended, as announced")


def _resolution(rule: str, before: Member, title: str) -> Alert:
    return Alert(
        rule=rule, incident_key=incident_key(before) or "", action="resolve", level=Level.INFO, title=title
    )
