"""The content of a notification, before it takes the form of one channel.

Texts arrive here as a member or a merchant typed them; each leaves on one line, without control characters and links
(`plain_text.py`), and with the member masked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from relay.alerts.render.plain_text import address, cut, line, unlinked
from relay.model.effects import Level
from relay.model.member import Member
from relay.model.messages import DIGEST_TOPIC
from relay.ports.alerts import Notification
from relay.topics import FOLDERS

REPEAT: Final = "This may be a repeat: the connection broke before the first one was confirmed."

_ICONS: Final = {
    Level.INFO: "\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16}",
    Level.WARNING: "\N{WARNING SIGN}\N{VARIATION SELECTOR-16}",
    Level.ERROR: "\N{LARGE RED CIRCLE}",
    Level.CRITICAL: "\N{POLICE CARS REVOLVING LIGHT}",
}
_RESOLVED_ICON: Final = "\N{WHITE HEAVY CHECK MARK}"
_DIGEST_ICON: Final = "\N{BAR CHART}"
_ACTION_ICON: Final = "\N{BUST IN SILHOUETTE}"

_MASK: Final = "•••"
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_NAME: Final = 40
"""Characters of a name: a longer one hides what the message is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLine:
    """One of the members that a message about many names: name, text and link."""

    member: str
    text: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The parts of a message, each one line of plain text; an empty part is left out.

    `member` is the name and address, `customer` the customer id, `handled` who has the incident.
    """

    icon: str
    status: str
    title: str
    member: str
    details: tuple[tuple[str, str], ...]
    advice: str
    repeat: str
    link: str
    customer: str
    at: str
    rule: str
    incident_key: str
    people: tuple[MemberLine, ...] = ()
    handled: str = ""

    @property
    def heading(self) -> str:
        """Status and title in one."""
        return f"{self.status}: {self.title}" if self.status else self.title


def content_of(notification: Notification) -> Content:
    """Return the content of a notification."""
    alert_message, alert = notification.alert_message, notification.alert_message.alert
    member = notification.member
    tier = unlinked(member.text("tier_name")) if member else ""
    details = [("Tier", tier), *((_label(label), unlinked(value)) for label, value in alert.details)]
    shop, _, customer = alert_message.member.rpartition(":")
    return Content(
        icon=_icon(notification),
        status=_status(notification),
        title=line(alert.title),
        member=_name_and_address(member, mask=notification.mask),
        details=tuple((label, value) for label, value in details if value),
        advice=line(alert.advice),
        repeat=REPEAT if notification.may_be_repeat else "",
        link=customer_link(shop, customer),
        customer=unlinked(customer),
        at=_time(alert_message.at),
        rule=line(alert.rule),
        incident_key=line(alert.incident_key),
        people=tuple(_member_line(notification, key, text) for key, text in alert_message.people),
    )


def first_message_content(notification: Notification) -> Content | None:
    """Return the content of the incident's first message with its present state; None where none was sent."""
    first, now = notification.first_message, notification.alert_message.alert
    if first is None:
        return None
    kind = notification.kind
    if kind == "action":
        kind = "escalated" if now.level > first.alert.level else "opened"
    alert = replace(first.alert, level=max(first.alert.level, now.level))
    first = replace(first, alert=alert)
    content = content_of(replace(notification, kind=kind, alert_message=first, may_be_repeat=False))
    if notification.kind != "resolved":
        return replace(content, handled=_handled(notification))
    # Nothing is left to be done: the resolution takes the place of the advice.
    return replace(content, advice=f"{line(now.title)}, {_time(notification.alert_message.at)}")


def _handled(notification: Notification) -> str:
    """Return who acknowledged the incident, and until when it is muted."""
    by, until = line(notification.acknowledged_by), notification.muted_until
    is_muted = until is not None and until > notification.alert_message.at
    parts = (
        f"Acknowledged by {by}" if by else "",
        f"Muted until {_time(until)}" if until and is_muted else "",
    )
    return ". ".join(part for part in parts if part)


def _label(label: str) -> str:
    # A topic is our own word; every other label may hold a tier's name.
    return label if label in FOLDERS else unlinked(label)


def _member_line(notification: Notification, key: str, text: str) -> MemberLine:
    shop, _, customer = key.rpartition(":")
    name = _name_and_address(notification.people.get(key), mask=notification.mask)
    return MemberLine(
        member=name or f"Customer {unlinked(customer)}",
        text=unlinked(text),
        link=customer_link(shop, customer),
    )


def customer_link(shop: str, customer_id: str) -> str:
    """Return the URL of a customer in Shopify's admin; an empty text for what cannot be an id."""
    label = shop.removesuffix(".myshopify.com")
    # The id comes from an event: anything but digits could lead elsewhere.
    if not _LABEL.fullmatch(label) or not (customer_id.isascii() and customer_id.isdigit()):
        return ""
    return f"https://admin.shopify.com/store/{label}/customers/{customer_id}"


def masked_name(first: str | None, last: str | None) -> str:
    """Return the first name and the last name's initial."""
    initial = unlinked(last)[:1]
    return " ".join(part for part in (unlinked(first), f"{initial}." if initial else "") if part)


def masked_email(email: str | None) -> str:
    """Return an address as `m•••@example.com`."""
    local, at, domain = address(email).rpartition("@")
    return f"{local[:1]}{_MASK}@{domain}" if at and local and domain else ""


def _name_and_address(member: Member | None, *, mask: bool) -> str:
    if member is None:
        return ""
    first, last, email = (member.text(name) for name in ("first_name", "last_name", "email"))
    name = masked_name(first, last) if mask else " ".join(filter(None, (unlinked(first), unlinked(last))))
    name, shown = cut(name, _NAME), masked_email(email) if mask else address(email)
    return f"{name} ({shown})" if name and shown else name or shown


def _icon(notification: Notification) -> str:
    match notification.kind:
        case "resolved":
            return _RESOLVED_ICON
        case "updated":
            return _ICONS[Level.INFO]
        case "action":
            return _ACTION_ICON
        case "notice" if notification.alert_message.topic == DIGEST_TOPIC:
            return _DIGEST_ICON
        case _:
            return _ICONS[notification.alert_message.alert.level]


def _status(notification: Notification) -> str:
    level = notification.alert_message.alert.level.name
    match notification.kind:
        case "resolved":
            return "Over"
        case "escalated":
            return f"Now {level.lower()}"
        case "notice" | "action":
            return ""
        case "updated":
            return "Info"
        case _:
            return level.capitalize()


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
