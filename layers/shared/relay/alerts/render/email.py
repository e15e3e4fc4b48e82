"""A notification as an e-mail: a subject that SNS accepts, and plain text.

SNS accepts a subject of less than 100 characters without line breaks or control characters; its documentation does
not say whether it counts characters or bytes, so we count bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from inveterate.webhooks.texts import characters

from relay.alerts.render.content import Content, content_of
from relay.alerts.render.plain_text import cut
from relay.ports.alerts import Notification

_SUBJECT_BYTES: Final = 99
_TITLE: Final = 500
_MEMBER: Final = 200
_LABEL: Final = 80
_VALUE: Final = 500
_DETAILS: Final = 50
_ADVICE: Final = 3_000
_KEY: Final = 1_000
_PEOPLE: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A plain e-mail."""

    subject: str
    body: str


def email_message(notification: Notification) -> Email:
    """Return a notification as an e-mail."""
    content = content_of(notification)
    paragraphs = (
        "\n".join(lines)
        for lines in (
            _heading(content),
            _details(content),
            _people(content),
            _advice(content),
            _footer(content),
        )
    )
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return Email(subject=_subject(content), body=body + "\n")


def _subject(content: Content) -> str:
    """Return the subject with the customer id: mail programs put equal subjects into one thread, and hide all but one."""
    suffix = f" [{cut(content.customer, 24)}]" if content.customer else ""
    most = _SUBJECT_BYTES - len(suffix.encode())
    return _cut_bytes(f"Relay {content.heading}", most) + suffix


def _cut_bytes(text: str, limit: int) -> str:
    if len(text.encode()) <= limit:
        return text
    kept, remaining = "", limit - len("…".encode())
    for each in characters(text):
        remaining -= len(each.encode())
        if remaining < 0:
            break
        kept += each
    return kept.rstrip() + "…"


def _heading(content: Content) -> Iterator[str]:
    yield cut(content.heading, _TITLE)
    if content.repeat:
        yield content.repeat


def _details(content: Content) -> Iterator[str]:
    member = content.member or (f"customer {content.customer}" if content.customer else "")
    if member:
        yield f"Member: {cut(member, _MEMBER)}"
    for label, value in content.details[:_DETAILS]:
        yield f"{cut(label, _LABEL)}: {cut(value, _VALUE)}"
    left_out = len(content.details) - _DETAILS
    if left_out > 0:
        yield f"… and {left_out} more"


def _people(content: Content) -> Iterator[str]:
    for person in content.people[:_PEOPLE]:
        yield f"* {cut(person.member, _MEMBER)}: {cut(person.text, _VALUE)} {person.link}".rstrip()


def _advice(content: Content) -> Iterator[str]:
    if content.advice:
        yield cut(content.advice, _ADVICE)
    if content.link:
        yield f"In Shopify: {content.link}"


def _footer(content: Content) -> Iterator[str]:
    yield f"When: {content.at}"
    yield f"Rule: {cut(content.rule, _KEY)}"
    yield f"Incident: {cut(content.incident_key, _KEY)}"
