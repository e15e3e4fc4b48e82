"""What an announcement says, before it takes the form of one channel.

Whatever a member or a merchant has typed arrives here as it was typed; it leaves on one line, without
characters that steer a display, and with the person masked.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from relay.model.effects import Level
from relay.model.member import Member
from relay.model.messages import DIGEST_TOPIC
from relay.ports.alerts import Notification

REPEAT: Final = "This may be a repeat: the connection broke before the first one was confirmed."

_ICONS: Final = {
    Level.INFO: "\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16}",
    Level.WARNING: "\N{WARNING SIGN}\N{VARIATION SELECTOR-16}",
    Level.ERROR: "\N{LARGE RED CIRCLE}",
    Level.CRITICAL: "\N{POLICE CARS REVOLVING LIGHT}",
}
_OVER: Final = "\N{WHITE HEAVY CHECK MARK}"
_FIGURES: Final = "\N{BAR CHART}"

_MASK: Final = "•••"
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_JOINERS: Final = "\u200c\u200d"
"""Format characters that some scripts and most emoji need; all others can turn or hide text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One of those that a message about many names: who, what of them, and where to look."""

    who: str
    words: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The parts of a message, each one line of plain text; an empty one is left out."""

    icon: str
    status: str
    title: str
    who: str
    details: tuple[tuple[str, str], ...]
    advice: str
    repeat: str
    link: str
    customer: str
    at: str
    rule: str
    incident_key: str
    people: tuple[Person, ...] = ()

    @property
    def heading(self) -> str:
        """Status and title in one."""
        return f"{self.status}: {self.title}" if self.status else self.title


def content(announcement: Notification) -> Content:
    """Say what an announcement says."""
    alert_message, alert = announcement.alert_message, announcement.alert_message.alert
    member = announcement.member
    tier = line(member.text("tier_name")) if member else ""
    details = [("Tier", tier), *((line(label), line(value)) for label, value in alert.details)]
    shop, _, customer = alert_message.member.rpartition(":")
    return Content(
        icon=_icon(announcement),
        status=_status(announcement),
        title=line(alert.title),
        who=_who(member, mask=announcement.mask),
        details=tuple((label, value) for label, value in details if value),
        advice=line(alert.advice),
        repeat=REPEAT if announcement.repeat else "",
        link=customer_link(shop, customer),
        customer=line(customer),
        at=_time(alert_message.at),
        rule=line(alert.rule),
        incident_key=line(alert.incident_key),
        people=tuple(_person(announcement, key, words) for key, words in alert_message.people),
    )


def as_it_stands(announcement: Notification) -> Content | None:
    """Say what people were told first, with how the matter stands by now; None where they were told nothing."""
    first, now = announcement.first, announcement.alert_message.alert
    if first is None:
        return None
    alert = replace(first.alert, level=max(first.alert.level, now.level))
    said = content(replace(announcement, alert_message=replace(first, alert=alert), repeat=False))
    if announcement.kind != "closing":
        return said
    when = f"{line(now.title)}, {_time(announcement.alert_message.at)}"
    # What was to be done is done: the advice goes, and the end takes its place.
    return replace(said, advice=when)


def _person(announcement: Notification, key: str, words: str) -> Person:
    shop, _, customer = key.rpartition(":")
    who = _who(announcement.people.get(key), mask=announcement.mask)
    return Person(
        who=who or f"Customer {line(customer)}", words=line(words), link=customer_link(shop, customer)
    )


def customer_link(shop: str, customer_id: str) -> str:
    """Return where Shopify's admin shows a customer; nothing for what cannot be one."""
    label = shop.removesuffix(".myshopify.com")
    # A customer id is an event's word: anything but digits could lead elsewhere.
    if not _LABEL.fullmatch(label) or not (customer_id.isascii() and customer_id.isdigit()):
        return ""
    return f"https://admin.shopify.com/store/{label}/customers/{customer_id}"


def line(text: str | None) -> str:
    """Return text as one line: white space in single blanks, no control or other steering characters."""
    shown = (" " if char.isspace() else char for char in text or "")
    kept = (char for char in shown if char in _JOINERS or not unicodedata.category(char).startswith("C"))
    return " ".join("".join(kept).split())


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters, with an ellipsis where some were cut off."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def masked_name(first: str | None, last: str | None) -> str:
    """Return the first name and the last one's initial."""
    initial = line(last)[:1]
    return " ".join(part for part in (line(first), f"{initial}." if initial else "") if part)


def masked_email(email: str | None) -> str:
    """Return an address as `m•••@example.com`."""
    local, at, domain = line(email).rpartition("@")
    return f"{local[:1]}{_MASK}@{domain}" if at and local and domain else ""


def _who(member: Member | None, *, mask: bool) -> str:
    if member is None:
        return ""
    first, last, email = (member.text(name) for name in ("first_name", "last_name", "email"))
    name = masked_name(first, last) if mask else " ".join(filter(None, (line(first), line(last))))
    address = masked_email(email) if mask else line(email)
    return f"{name} ({address})" if name and address else name or address


def _icon(announcement: Notification) -> str:
    match announcement.kind:
        case "closing":
            return _OVER
        case "mention":
            return _ICONS[Level.INFO]
        case "notice" if announcement.alert_message.topic == DIGEST_TOPIC:
            return _FIGURES
        case _:
            return _ICONS[announcement.alert_message.alert.level]


def _status(announcement: Notification) -> str:
    match announcement.kind:
        case "closing":
            return "Over"
        case "rise":
            return f"Now {announcement.alert_message.alert.level.name.lower()}"
        case "notice":
            return ""
        case "mention":
            return "Info"
        case _:
            return announcement.alert_message.alert.level.name.capitalize()


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
