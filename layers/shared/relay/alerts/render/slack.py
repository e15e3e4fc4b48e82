"""An announcement as a Slack message: Block Kit, with a text for notifications and screen readers.

Limits are Slack's: header 150, section text 3,000, field 2,000, ten fields, ten context elements, fifty
blocks, and some 13,200 characters in all (undocumented). Ours are lower, so that the sum holds even when
every character is escaped in JSON. What does not fit is cut where one can see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from relay.alerts.render.content import Content, Person, as_it_stands, content
from relay.ports.alerts import Notification

_HEADER: Final = 150
_TEXT: Final = 300
_WHO: Final = 200
_LABEL: Final = 40
_VALUE: Final = 120
_DETAILS: Final = 20
_ADVICE: Final = 1_000
_CONTEXT: Final = 200
_FIELDS: Final = 10
_PEOPLE: Final = 10
_WHO_OF_MANY: Final = 100
_WORDS: Final = 80

_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def slack(announcement: Notification) -> dict[str, Any]:
    """Return what a message says: its text and its blocks."""
    return _payload(content(announcement))


def slack_first(announcement: Notification) -> dict[str, Any] | None:
    """Return what the first message of the matter says now; None where it says what it said."""
    if announcement.kind not in {"rise", "closing"}:
        return None
    said = as_it_stands(announcement)
    return _payload(said) if said else None


def _payload(said: Content) -> dict[str, Any]:
    blocks = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": escaped(_heading(said), _HEADER), "emoji": True},
        },
        *_sections(said),
        {"type": "context", "elements": [_mrkdwn(text) for text in _context(said)]},
    ]
    return {"text": escaped(_summary(said), _TEXT), "blocks": blocks}


def escaped(text: str, limit: int) -> str:
    """Return text in which nothing is markup for Slack, at most `limit` characters after escaping.

    An emoji counts as two, as in UTF-16: whether Slack counts so is documented nowhere.
    """
    parts = [_ENTITIES.get(char, char) for char in text]
    if sum(map(_width, parts)) <= limit:
        return "".join(parts)
    kept, room = [], limit - 1
    for part in parts:
        room -= _width(part)
        if room < 0:
            break
        kept.append(part)
    return "".join(kept).rstrip() + "…"


def _width(part: str) -> int:
    return 2 if part > "\uffff" else len(part)


def _heading(said: Content) -> str:
    return f"{said.icon} {said.heading}"


def _summary(said: Content) -> str:
    who = f" - {said.who}" if said.who else ""
    repeat = " (may be a repeat)" if said.repeat else ""
    return f"{_heading(said)}{who}{repeat}"


def _sections(said: Content) -> Iterator[dict[str, Any]]:
    if said.repeat:
        yield _section(f"_{said.repeat}_")
    who = escaped(said.who or (f"Customer {said.customer}" if said.customer else ""), _WHO)
    # A link in text and not a button: pressing a button posts to an app, and a webhook has none.
    link = f"<{said.link}|Open in Shopify>" if said.link else ""
    if who or link:
        yield _section("   ".join(part for part in (f"*{who}*" if who else "", link) if part))
    for chunk in _chunks(said.details[:_DETAILS]):
        yield {"type": "section", "fields": [_mrkdwn(_field(label, value)) for label, value in chunk]}
    left_out = len(said.details) - _DETAILS
    if left_out > 0:
        yield _section(f"_… and {left_out} more_")
    if said.people:
        yield _section("\n".join(_person(person) for person in said.people[:_PEOPLE]))
    if said.advice:
        yield _section(escaped(said.advice, _ADVICE))


def _person(person: Person) -> str:
    who = escaped(person.who, _WHO_OF_MANY)
    named = f"<{person.link}|{who}>" if person.link else who
    return f"• {named}  {escaped(person.words, _WORDS)}".rstrip()


def _context(said: Content) -> list[str]:
    texts = (said.at, f"Rule {said.rule}", said.incident_key)
    return [escaped(text, _CONTEXT) for text in texts if text]


def _field(label: str, value: str) -> str:
    return f"*{escaped(label, _LABEL)}*\n{escaped(value, _VALUE)}"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    # Verbatim, else Slack makes links and mentions of what merely looks like one: an @here in a name.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _chunks(details: tuple[tuple[str, str], ...]) -> Iterator[tuple[tuple[str, str], ...]]:
    for start in range(0, len(details), _FIELDS):
        yield details[start : start + _FIELDS]
