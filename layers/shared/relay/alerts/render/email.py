"""An announcement as an e-mail: a subject that SNS takes, and plain text.

SNS wants a subject of less than 100 characters without line breaks or control characters; whether it
counts characters or bytes its documentation leaves open, so we count bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from relay.alerts.render.content import Content, content, cut
from relay.ports.alerts import Notification

_SUBJECT_BYTES: Final = 99
_TITLE: Final = 500
_WHO: Final = 200
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


def email(announcement: Notification) -> Email:
    """Return the e-mail that tells people."""
    said = content(announcement)
    paragraphs = (
        "\n".join(lines)
        for lines in (_opening(said), _details(said), _people(said), _advice(said), _footer(said))
    )
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return Email(subject=_subject(said), body=body + "\n")


def _subject(said: Content) -> str:
    """Name the customer: a mail program would put equal subjects into one thread, and hide all but one."""
    mark = f" [{cut(said.customer, 24)}]" if said.customer else ""
    room = _SUBJECT_BYTES - len(mark.encode())
    return _cut_bytes(f"Relay {said.heading}", room) + mark


def _cut_bytes(text: str, limit: int) -> str:
    if len(text.encode()) <= limit:
        return text
    return text.encode()[: limit - len("…".encode())].decode(errors="ignore").rstrip() + "…"


def _opening(said: Content) -> Iterator[str]:
    yield cut(said.heading, _TITLE)
    if said.repeat:
        yield said.repeat


def _details(said: Content) -> Iterator[str]:
    who = said.who or (f"customer {said.customer}" if said.customer else "")
    if who:
        yield f"Member: {cut(who, _WHO)}"
    for label, value in said.details[:_DETAILS]:
        yield f"{cut(label, _LABEL)}: {cut(value, _VALUE)}"
    left_out = len(said.details) - _DETAILS
    if left_out > 0:
        yield f"… and {left_out} more"


def _people(said: Content) -> Iterator[str]:
    for person in said.people[:_PEOPLE]:
        yield f"* {cut(person.who, _WHO)}: {cut(person.words, _VALUE)} {person.link}".rstrip()


def _advice(said: Content) -> Iterator[str]:
    if said.advice:
        yield cut(said.advice, _ADVICE)
    if said.link:
        yield f"In Shopify: {said.link}"


def _footer(said: Content) -> Iterator[str]:
    yield f"When: {said.at}"
    yield f"Rule: {cut(said.rule, _KEY)}"
    yield f"Incident: {cut(said.incident_key, _KEY)}"
