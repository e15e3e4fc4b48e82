"""A notification as a Slack message: Block Kit, with a text for notifications and screen readers.

Slack's limits are: header 150, section text 3,000, field 2,000, ten fields, ten context elements, fifty
blocks, and some 13,200 characters in all (undocumented). Ours are lower, so that the sum holds even when
every character is escaped in JSON. A cut is visible. A button posts to an app: a message of an incoming webhook, and one
of an app whose clicks no one takes, has a link in its text instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from inveterate.webhooks.texts import characters

from relay.alerts.render.content import Content, MemberLine, content_of, first_message_content
from relay.alerts.slack_requests import ACKNOWLEDGE, MUTE, OPEN, button_value
from relay.ports.alerts import Notification

_HEADER: Final = 150
_TEXT: Final = 300
_MEMBER: Final = 200
_LABEL: Final = 40
_VALUE: Final = 120
_DETAILS: Final = 20
_ADVICE: Final = 1_000
_CONTEXT: Final = 200
_FIELDS: Final = 10
_PEOPLE: Final = 10
_MEMBER_OF_MANY: Final = 100
_MEMBER_TEXT: Final = 80

_WITH_BUTTONS: Final = frozenset({"opened", "escalated", "action"})
"""The kinds after which there is something to do. An action has them in the thread's first message alone."""

_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def slack_message(notification: Notification, stack: str = "") -> dict[str, Any]:
    """Return a message: its text and its blocks. `stack` is what its buttons name; without it there are none."""
    content = content_of(notification)
    return (
        _action_message(content) if notification.kind == "action" else _payload(content, notification, stack)
    )


def slack_first_message(notification: Notification, stack: str = "") -> dict[str, Any] | None:
    """Return the incident's first message with its present state; None where it does not change."""
    if notification.kind not in {"escalated", "resolved", "action"}:
        return None
    content = first_message_content(notification)
    return _payload(content, notification, stack) if content else None


def _action_message(content: Content) -> dict[str, Any]:
    """Return what a person did, in one line: it stands in the incident's thread."""
    text = f"*{escaped(_heading(content), _TEXT)}*"
    sections = (text, escaped(content.advice, _ADVICE))
    blocks = [
        _section("\n".join(section for section in sections if section)),
        {
            "type": "context",
            "elements": [_mrkdwn(escaped(text, _CONTEXT)) for text in (content.at, content.incident_key)],
        },
    ]
    return {"text": escaped(_summary(content), _TEXT), "blocks": blocks}


def _payload(content: Content, notification: Notification, stack: str) -> dict[str, Any]:
    buttons = list(_buttons(content, notification, stack)) if stack else []
    if buttons:
        content = replace(content, link="")
    blocks = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": escaped(_heading(content), _HEADER), "emoji": True},
        },
        *_sections(content),
        {"type": "context", "elements": [_mrkdwn(text) for text in _context(content)]},
        # Last: what shortens a message that is too long keeps the heading and the last block.
        *([{"type": "actions", "elements": buttons}] if buttons else []),
    ]
    return {"text": escaped(_summary(content), _TEXT), "blocks": blocks}


def _buttons(content: Content, notification: Notification, stack: str) -> Iterator[dict[str, Any]]:
    """Yield what a person can do with an incident that is open, and has not been done."""
    if notification.kind not in _WITH_BUTTONS:
        return
    incident_key = notification.alert_message.alert.incident_key
    value = button_value(stack, incident_key, notification.thread_id)
    until = notification.muted_until
    if value and not notification.acknowledged_by:
        yield {**_button("Acknowledge", ACKNOWLEDGE), "value": value, "style": "primary"}
    if value and (until is None or until <= notification.alert_message.at):
        yield {**_button("Mute 7 days", MUTE), "value": value}
    if content.link:
        yield {**_button("Open in Shopify", OPEN), "url": content.link}


def _button(text: str, action_id: str) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": text}}


def escaped(text: str, limit: int) -> str:
    """Return text without markup for Slack, at most `limit` characters after escaping.

    An emoji counts as two, as in UTF-16: Slack does not document how it counts. What a person sees as one character is
    cut as a whole.
    """
    parts: list[str] = []
    width = kept = 0
    for each in characters(text):
        # Each code point by itself is escaped: an accent may stand on a `<`.
        part = "".join(_ENTITIES.get(char, char) for char in each)
        width += _width(part)
        if width > limit:
            # What comes after is not looked at: a text may be a thousand times as long.
            return "".join(parts[:kept]).rstrip() + "…"
        parts.append(part)
        if width < limit:
            kept = len(parts)
    return "".join(parts)


def _width(part: str) -> int:
    return sum(2 if char > "\uffff" else 1 for char in part)


def _heading(content: Content) -> str:
    return f"{content.icon} {content.heading}"


def _summary(content: Content) -> str:
    member = f" - {content.member}" if content.member and not content.names_member else ""
    repeat = " (may be a repeat)" if content.repeat else ""
    return f"{_heading(content)}{member}{repeat}"


def _sections(content: Content) -> Iterator[dict[str, Any]]:
    if content.repeat:
        yield _section(f"_{content.repeat}_")
    member = escaped(content.member or (f"Customer {content.customer}" if content.customer else ""), _MEMBER)
    link = f"<{content.link}|Open in Shopify>" if content.link else ""
    if member or link:
        yield _section("   ".join(part for part in (f"*{member}*" if member else "", link) if part))
    for chunk in _chunks(content.details[:_DETAILS]):
        yield {"type": "section", "fields": [_mrkdwn(_field(label, value)) for label, value in chunk]}
    left_out = len(content.details) - _DETAILS
    if left_out > 0:
        yield _section(f"_… and {left_out} more_")
    if content.people:
        yield _section("\n".join(_person(person) for person in content.people[:_PEOPLE]))
    if content.advice:
        yield _section(escaped(content.advice, _ADVICE))
    if content.handled:
        yield _section(f"_{escaped(content.handled, _CONTEXT)}_")


def _person(person: MemberLine) -> str:
    member = escaped(person.member, _MEMBER_OF_MANY)
    linked = f"<{person.link}|{member}>" if person.link else member
    return f"• {linked}  {escaped(person.text, _MEMBER_TEXT)}".rstrip()


def _context(content: Content) -> list[str]:
    texts = (content.at, f"Rule {content.rule}", content.incident_key)
    return [escaped(text, _CONTEXT) for text in texts if text]


def _field(label: str, value: str) -> str:
    return f"*{escaped(label, _LABEL)}*\n{escaped(value, _VALUE)}"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    # Verbatim, else Slack turns an @here in a name into a mention.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _chunks(details: tuple[tuple[str, str], ...]) -> Iterator[tuple[tuple[str, str], ...]]:
    for start in range(0, len(details), _FIELDS):
        yield details[start : start + _FIELDS]
