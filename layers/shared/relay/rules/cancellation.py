"""Classifies memberships that end or are about to, and builds the alerts of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from relay.model.effects import MEMBER, Alert, KpiName, Level, Tone
from relay.model.formats import amount_text, day_text, detail_rows, moment_text
from relay.model.member import Member
from relay.model.milestones import Milestone
from relay.rules.segments import high_value_rows, is_high_value
from relay.rules.settings import Rules

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

PENDING: Final = "cancel.pending"
"""The id of the rule for an announced end."""

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


def is_loss(member: Member, rules: Rules) -> bool:
    """Return whether the cancellation that is announced is one to prevent: a high-value member asked for it."""
    return _source(member) not in {"FAILURE", "MERCHANT"} and is_high_value(member, rules)


def announced(member: Member) -> str | None:
    """Return the incident of an announced end; None where none is, and where the membership has ended already."""
    return None if member.ended_at else incident_key(member)


def is_same_request(before: Member, at: datetime | None) -> bool:
    """Return whether a request of this time is the one that the record knows: no joining and no ending lies between them."""
    # What an ending has settled was a request all the same: one that comes late may be that one.
    register = before.registers.get("pending_since")
    known = register.value if register else None
    if not isinstance(known, datetime) or at is None:
        return before.is_leaving
    first, last = sorted((known, at))
    return not any(first <= each.at <= last for each in before.milestones if each.kind in {"joined", "ended"})


def pending_alerts(before: Member, after: Member, rules: Rules) -> Iterator[Alert]:
    """Yield the alerts of an announced end: the incident of its date opens, and that of another date before is over.

    A new date is said as the end of the former incident, so the new one opens silently.
    """
    moved = incident_key(before) not in {None, incident_key(after)}
    ends_on = moment_text(after.moment("pending_cancel_at")) or "not said"
    if moved:
        title = f"The cancellation by {MEMBER} has another date now"
        yield _resolution("cancel.resumed", before, title, "neutral", ("Ends on", ends_on))
    source = _source(after)
    if source == "FAILURE":
        return  # the dunning incident covers it, and the member did not ask to leave
    by_member = source != "MERCHANT"
    is_told = moved and is_loss(before, rules)
    yield Alert(
        rule=PENDING,
        incident_key=incident_key(after) or "",
        level=Level.WARNING if is_loss(after, rules) and not is_told else Level.INFO,
        title=f"{MEMBER} is about to leave" if by_member else f"The shop cancels the membership of {MEMBER}",
        details=detail_rows(
            ("Ends on", ends_on),
            ("Fee", amount_text(after.money("fee_amount"), after.text("fee_currency"))),
            ("Asked by", source_text(source)),
            *high_value_rows(after, rules),
        ),
        advice="Until then the member can be won back: write, or offer something."
        if by_member
        else "Nothing to do, if the shop meant it: the membership runs until then.",
        as_of=_decided_at(after),
    )


def _decided_at(member: Member) -> datetime | None:
    """Return the moment as of which the record shows the announced end as to come, or as over.

    The end of another tier was taken for the member's own, and resolved the incident, before the tier was known.
    """
    announced_at = member.moment("pending_since")
    taken = (each.at for each in member.history.foreign if each.kind == "ended")
    return member.as_known(max([announced_at, *taken])) if announced_at else None


def _source(member: Member) -> str | None:
    return source(member.text("pending_cancel_source"))


def resumed_alert(before: Member, title: str, tone: Tone = "good") -> Alert:
    """Return the alert that a pending cancellation is off; `before` is the record in which it was pending."""
    return _resolution("cancel.resumed", before, title, tone)


def ended_alert(before: Member) -> Alert:
    """Return the alert that a pending cancellation has taken effect; `before` is the record in which it was pending."""
    return _resolution("cancel.ended", before, f"Left: {MEMBER}, as announced", "bad")


_WHAT_IS_LEFT: Final[dict[Tone, str]] = {
    "good": "Nothing is left to do.",
    "bad": "Ask what was missing, and invite the member back.",
    "neutral": "The member can be won back until the new date.",
}


def _resolution(rule: str, before: Member, title: str, tone: Tone, *rows: tuple[str, str]) -> Alert:
    return Alert(
        rule=rule,
        incident_key=incident_key(before) or "",
        action="resolve",
        level=Level.INFO,
        title=title,
        details=rows,
        tone=tone,
        advice=_WHAT_IS_LEFT[tone],
        as_of=_decided_at(before),
    )
