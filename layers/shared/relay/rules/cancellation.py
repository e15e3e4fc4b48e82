"""Memberships that end or are about to: of which kind, and under which incidents people are told."""

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
"""The sources seen so far; any other leaves the kind open."""

ENDINGS: Final[dict[EndingKind, tuple[str, KpiName]]] = {
    "voluntary": ("cancel.voluntary", "left_voluntarily"),
    "involuntary": ("cancel.involuntary", "left_involuntarily"),
    "merchant": ("cancel.merchant", "left_by_merchant"),
}
"""For each kind, the rule that speaks of it and the figure that counts it."""


def source(said: str | None) -> str | None:
    """Return who wanted it, in the platform's word."""
    return said.upper() if said else None


def kind(said: str | None) -> EndingKind | None:
    """Return the kind of an ending by its source; None for a word that we do not know."""
    return _KINDS.get(source(said) or "")


def incident_key(member: Member) -> str | None:
    """Return the incident of the cancellation that is pending; None where none is."""
    ends_at = member.moment("pending_cancel_at")
    return None if ends_at is None else f"cancel:{member.key}:{day_text(ends_at)}"


def is_over(member: Member) -> bool:
    """Tell whether the membership ended after it was said to be about to; no topic tells that it was taken up again."""
    pending = member.registers.get("pending_cancel_at")
    return pending is not None and member.ended_at is not None and member.ended_at >= pending.at


def gone_incident_key(member: Member) -> str:
    """Return the incident of an ending that nobody had announced."""
    return f"cancelled:{member.key}:{day_text(member.ended_at)}"


def gone(rule: str, title: str, after: Member, *, level: Level) -> Alert:
    """Return the alert of an ending that nobody had announced."""
    return Alert(
        rule=rule,
        incident_key=gone_incident_key(after),
        level=level,
        one_off=True,
        title=title,
        details=detail_rows(("Ended", moment_text(after.ended_at)), ("Cause", after.text("cancel_reason"))),
        advice="The member can be invited back.",
    )


def resumed(before: Member, title: str) -> Alert:
    """Return the alert that a pending cancellation is off; `before` is the record that knew of it."""
    return _over("cancel.resumed", before, title)


def ended(before: Member) -> Alert:
    """Return the alert that a pending cancellation has come to its end."""
    return _over("cancel.ended", before, "The membership has ended, as announced")


def _over(rule: str, before: Member, title: str) -> Alert:
    return Alert(
        rule=rule, incident_key=incident_key(before) or "", action="resolve", level=Level.INFO, title=title
    )
