"""Classifies memberships that end or are about to, and builds the alerts of both."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from relay.model.effects import MEMBER, Alert, KpiName, Level, Tone
from relay.model.formats import day_text, detail_rows, moment_text
from relay.model.member import Member
from relay.model.milestones import Milestone

EndingKind: TypeAlias = Literal["voluntary", "involuntary", "merchant", "unknown"]

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
    "unknown": ("cancel.unknown", "left_for_unknown_reason"),
}
"""For each kind, the id of its rule and the name of its KPI."""

_SOURCES: Final = {"FAILURE": "the failed payment", "CUSTOMER": "the member", "MERCHANT": "the shop"}

SAME_ENDING: Final = timedelta(hours=36)
"""Two endings of one membership within this time are one, told by two sources."""


def source(text: str | None) -> str | None:
    """Return the platform's word for the source of a cancellation, in upper case."""
    return text.strip().upper() or None if text else None


def source_text(text: str | None) -> str | None:
    """Return the source as people say it; a word that the platform has not documented as it is."""
    word = source(text)
    return _SOURCES.get(word, text) if word else None


def ending_kind(text: str | None) -> EndingKind | None:
    """Return the kind of an ending by its source; None for no word, and for one that is not documented."""
    return _KINDS.get(source(text) or "")


def kind_of(member: Member, ending: Milestone) -> EndingKind:
    """Return the kind of an ending: as told; involuntary where it left a fee open and names no source, or an unknown one."""
    if any(pair.later == ending for pair in member.losses):
        return "involuntary"
    match ending.detail:
        case "involuntary" | "merchant" | "unknown":
            return ending.detail
        case _:
            return "voluntary"


def new_ending(before: Member, after: Member) -> Milestone | None:
    """Return the ending that an event has added to the record."""
    known = set(before.milestones)
    return next((each for each in after.milestones if each.kind == "ended" and each not in known), None)


def incident_key(member: Member) -> str | None:
    """Return the key of the incident of a pending cancellation; None where none is pending."""
    if not member.is_leaving:
        return None
    return f"cancel:{member.key}:{day_text(member.moment('pending_cancel_at')) or 'unknown'}"


def ending_incident_key(member: Member) -> str:
    """Return the key of the incident of an ending that was not announced."""
    return f"cancelled:{member.key}:{day_text(member.ended_at)}"


def without_finding(member: Member) -> Member:
    """Return the record as the events alone have told it, where a reading has found the membership cancelled; else itself."""
    if member.text("found_status") != "cancelled":
        return member
    registers = {name: one for name, one in member.registers.items() if name != "found_status"}
    return replace(member, registers=registers)


def ending_alert(rule: str, title: str, after: Member, *, level: Level) -> Alert:
    """Return the alert of an ending that was not announced."""
    return Alert(
        rule=rule,
        incident_key=ending_incident_key(after),
        level=level,
        one_off=True,
        title=title,
        details=detail_rows(
            ("Ended", moment_text(after.ended_at)), ("Cause", source_text(after.text("cancel_reason")))
        ),
        advice="Ask what was missing, and invite the member back.",
    )


def resumed_alert(before: Member, title: str, tone: Tone = "good") -> Alert:
    """Return the alert that a pending cancellation is off; `before` is the record in which it was pending."""
    return _resolution("cancel.resumed", before, title, tone)


def ended_alert(before: Member) -> Alert:
    """Return the alert that a pending cancellation has taken effect; `before` is the record in which it was pending."""
    return _resolution("cancel.ended", before, f"Left: {MEMBER}, as announced", "bad")


_WHAT_IS_LEFT: Final[dict[Tone, str]] = {
    "good": "Nothing is left to do.",
    "bad": "Ask what was missing, and invite the member back.",
    "neutral": "The message with the new date says until when the member can be won back.",
}


def _resolution(rule: str, before: Member, title: str, tone: Tone) -> Alert:
    return Alert(
        rule=rule,
        incident_key=incident_key(before) or "",
        action="resolve",
        level=Level.INFO,
        title=title,
        tone=tone,
        advice=_WHAT_IS_LEFT[tone],
    )
