"""The content of a notification, before it takes the form of one channel.

Texts arrive here as a member or a merchant typed them; each leaves on one line, without control characters and links
(`plain_text.py`), and with the member masked.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from typing import Final

from inveterate.webhooks.texts import characters

from relay.alerts.render.plain_text import address, cut, line, unlinked
from relay.alerts.render.times import local_day, local_time, localised
from relay.model.effects import MEMBER, Alert, Level, Tone
from relay.model.incident import NotificationKind
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
_TONES: Final[dict[Tone, str]] = {
    "good": "\N{WHITE HEAVY CHECK MARK}",
    "bad": _ICONS[Level.ERROR],
    "neutral": _ICONS[Level.INFO],
}
"""An end by what it means. A lost member is never under a tick, and neither is one about which nothing is known."""

_DIGEST_ICON: Final = "\N{BAR CHART}"
_ACTION_ICON: Final = "\N{BUST IN SILHOUETTE}"

_MASK: Final = "•••"
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_OVER: Final = frozenset(
    {"Attempt", "Failed attempts", "Next attempt expected", "Last attempt expected", "Time left", "Ends on"}
)
"""Details of an opening that say nothing any more once the incident is over."""

_FIRST_TOLD: Final = "First told"
_MEMBER_SINCE: Final = "Member since"

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
    names_member: bool = False

    @property
    def heading(self) -> str:
        """Status and title in one."""
        return f"{self.status}: {self.title}" if self.status else self.title


def content_of(notification: Notification) -> Content:
    """Return the content of a notification."""
    alert_message, alert = notification.alert_message, notification.alert_message.alert
    member, zone = notification.member, notification.zone
    tier = unlinked(member.text("tier_name")) if member else ""
    details = [
        ("Tier", tier),
        *((unlinked(label), _value(label, unlinked(value), zone)) for label, value in alert.details),
    ]
    shop, _, customer = alert_message.member.rpartition(":")
    return Content(
        icon=_icon(notification),
        status=_status(notification),
        title=_title(notification, customer),
        member=_name_and_address(member, mask=notification.mask),
        details=tuple((label, value) for label, value in details if value),
        advice=localised(line(alert.advice), zone),
        repeat=REPEAT if notification.may_be_repeat else "",
        link=customer_link(shop, customer),
        customer=unlinked(customer),
        at=local_time(alert_message.at, zone),
        rule=line(alert.rule),
        incident_key=line(alert.incident_key),
        names_member=MEMBER in alert.title,
        people=tuple(_member_line(notification, key, text) for key, text in alert_message.people),
    )


def first_message_content(notification: Notification) -> Content | None:
    """Return the content of the incident's first message with its present state; None where none was sent."""
    first = notification.first_message
    if first is None:
        return None
    opening = content_of(replace(notification, alert_message=first, kind="opened", may_be_repeat=False))
    if notification.kind == "action":
        now = notification.alert_message.alert
        level = max(first.alert.level, now.level)
        opened = replace(first, alert=replace(first.alert, level=level))
        rose: NotificationKind = "escalated" if level > first.alert.level else "opened"
        content = content_of(replace(notification, alert_message=opened, kind=rose, may_be_repeat=False))
        return replace(content, handled=_handled(notification))
    # What is known now takes the place of what was said first; what is over is not repeated.
    content = content_of(replace(notification, may_be_repeat=False))
    is_over = notification.kind == "resolved"
    said = {label for label, _ in content.details}
    over = _OVER if is_over else _OVER - {"Ends on"}
    if notification.alert_message.member:
        kept = [(label, value) for label, value in opening.details if label not in said | over]
    else:
        kept = []  # the figures of an alarm were those of its beginning
    return replace(
        content,
        details=(*content.details, *kept, (_FIRST_TOLD, opening.at)),
        handled="" if is_over else _handled(notification),
    )


def _handled(notification: Notification) -> str:
    """Return who acknowledged the incident, and until when it is muted."""
    by, until = line(notification.acknowledged_by), notification.muted_until
    is_muted = until is not None and until > notification.alert_message.at
    parts = (
        f"Acknowledged by {by}" if by else "",
        f"Muted until {local_time(until, notification.zone)}" if until and is_muted else "",
    )
    return ". ".join(part for part in parts if part)


def _value(label: str, value: str, zone: tzinfo) -> str:
    if label == _MEMBER_SINCE:
        with suppress(ValueError):
            return local_day(date.fromisoformat(value))
    return localised(value, zone)


def _title(notification: Notification, customer: str) -> str:
    """Return the alert's title with the member's name in it; without a name by the customer's number."""
    title = localised(line(notification.alert_message.alert.title), notification.zone)
    if MEMBER not in title:
        return title
    name = _name(notification.member, mask=notification.mask) or f"customer {unlinked(customer)}"
    named = title.replace(MEMBER, name)
    return named[:1].upper() + named[1:] if title.startswith(MEMBER) else named


def _member_line(notification: Notification, key: str, text: str) -> MemberLine:
    shop, _, customer = key.rpartition(":")
    name = _name_and_address(notification.people.get(key), mask=notification.mask)
    return MemberLine(
        member=name or f"Customer {unlinked(customer)}",
        text=localised(unlinked(text), notification.zone),
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
    initial = _first_character(unlinked(last))
    return " ".join(part for part in (unlinked(first), f"{initial}." if initial else "") if part)


def masked_email(email: str | None) -> str:
    """Return an address as `m•••@example.com`."""
    local, at, domain = address(email).rpartition("@")
    return f"{_first_character(local)}{_MASK}@{domain}" if at and local and domain else ""


def _first_character(text: str) -> str:
    """Return what a person sees as the first character: a letter with its accents, a flag, an emoji in one piece."""
    return next(characters(text), "")


def _name(member: Member | None, *, mask: bool) -> str:
    """Return a member's name, else the address; empty where neither is known."""
    if member is None:
        return ""
    first, last = member.text("first_name"), member.text("last_name")
    name = masked_name(first, last) if mask else " ".join(filter(None, (unlinked(first), unlinked(last))))
    return cut(name or _address(member, mask=mask), _NAME)


def _address(member: Member, *, mask: bool) -> str:
    email = member.text("email")
    return masked_email(email) if mask else address(email)


def _name_and_address(member: Member | None, *, mask: bool) -> str:
    if member is None:
        return ""
    name, shown = _name(member, mask=mask), _address(member, mask=mask)
    has_name = any(unlinked(member.text(part)) for part in ("first_name", "last_name"))
    return f"{name} ({shown})" if has_name and shown else (name if has_name else shown)


def tone_of(alert: Alert) -> Tone:
    """Return what an end means: as its rule says, else bad for a lost fee and good for every other."""
    return alert.tone or ("bad" if alert.outcome == "lost" else "good")


def _icon(notification: Notification) -> str:
    alert = notification.alert_message.alert
    match notification.kind:
        case "resolved":
            return _TONES[tone_of(alert)]
        case "notice" if alert.action == "resolve":
            return _TONES[tone_of(alert)]
        case "updated":
            return _ICONS[alert.level]
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
            # A rule's end is a sentence of its own; an alarm's is the sentence with which it began.
            return "" if notification.alert_message.member else "Over"
        case "escalated":
            return "Escalated"
        case "notice" | "action":
            return ""
        case "updated":
            return ""
        case _:
            return level.capitalize()
