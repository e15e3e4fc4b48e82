"""One announcement of each kind that people read: the golden messages in tests/golden/alerts are made from these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from relay.changes import Digest, Telling
from relay.effects import Level
from relay.member import Member
from relay.messages import email, pagerduty, slack, slack_first
from relay.notifier import digest_telling
from relay.ports.telling import Announcement
from relay.rollup import roll_up
from relay.waiting import Entry, Flush

from tests.tellings import DAY, MIA, SHOP, member, telling

FOLDER: Final = "tests/golden/alerts"

_DUNNING: Final = telling(
    "e1",
    title="A membership payment failed",
    details=(
        ("Amount", "49.00 USD"),
        ("Attempt", "2 of 3"),
        ("Deadline", "2025-07-02 09:00 UTC, then Inveterate cancels"),
        ("Reason", "card_expired"),
    ),
    advice="Ask the member to renew the payment method before the last attempt.",
)


def announcements() -> Mapping[str, Announcement]:
    """Return them by the name of their golden file."""
    rise = replace(
        _DUNNING,
        event_id="e2",
        alert=replace(_DUNNING.alert, level=Level.ERROR, title="The last attempt failed"),
    )
    end = replace(
        telling("e3", minute=90, action="close", title="Recovered: the fee was paid", advice=""),
        alert=replace(_DUNNING.alert, action="close", title="Recovered: the fee was paid", advice=""),
    )
    card = telling(
        "e4",
        minute=30,
        action="mention",
        level=Level.INFO,
        title="A new card: a retry is expected",
        advice="",
    )
    spike = telling(
        "e5",
        member="",
        level=Level.CRITICAL,
        occasion=f"inv:{SHOP}:payfail-spike",
        title="Far more payments fail than usual",
        details=(("Alarm", "relay-acme-failure-spike"),),
        advice="Look at the payment provider's status page.",
    )
    return {
        "opening": _of(_DUNNING, "opening"),
        "opening-maybe-repeat": replace(_of(_DUNNING, "opening"), repeat=True),
        "opening-unmasked": replace(_of(_DUNNING, "opening"), mask=False),
        "rise": _of(rise, "rise"),
        "mention": _of(card, "mention"),
        "closing": _of(end, "closing"),
        "programme": Announcement(telling=spike, kind="opening", member=None),
        "digest": Announcement(telling=_digest(), kind="notice", member=None),
        "rollup": _rollup(50),
    }


def _of(told: Telling, kind: Any) -> Announcement:
    return Announcement(telling=told, kind=kind, member=MIA, first=_DUNNING, thread="C1/1.0")


def _digest() -> Telling:
    lines = (
        ("Joined", "12 (9 paid, 2 came back)"),
        ("Left", "4 (3 of their own will, 1 after failed payments)"),
        ("Net", "+8 members"),
        ("At risk", "245.00 USD in 5 open payment failures"),
        ("Recovered", "98.00 USD"),
        ("Credits expiring within 7 days", "310.00 USD of 14 members"),
        ("HubSpot", "1,204 equal, 3 without an e-mail address"),
    )
    return digest_telling(Digest(id="d", at=DAY, day=date(2025, 6, 30), lines=lines), SHOP)


def _rollup(count: int, names: str = "") -> Announcement:
    people = {f"{SHOP}:{7001 + number}": _somebody(number, names) for number in range(count)}
    tellings = [
        replace(
            telling(
                f"f{number}",
                member=key,
                occasion=f"dun:{key}",
                title=names or "A membership payment failed",
                details=(("Amount", f"{99 - number}.00 USD"),),
            ),
            topic="customer.cancelled" if number % 5 == 0 else "customer_billing.attempt.failed",
        )
        for number, key in enumerate(people)
    ]
    entries = tuple(
        Entry(occasion=one.alert.occasion, event_id=one.event_id, at=one.at, level=Level.WARNING, why="flood")
        for one in tellings
    )
    told = roll_up(SHOP, DAY, Flush(entries=entries), tellings, people)
    return Announcement(telling=told, kind="notice", member=None, people=people)


def _somebody(number: int, names: str) -> Member:
    first = names or ("Mia", "Jonas", "Aylin", "Ben", "Chiara")[number % 5]
    last = names or ("Keller", "Brandt", "Demir", "Okafor", "Rossi", "Sato", "Novak")[number % 7]
    address = f"{first}.{last}{number}@example.com" if not names else f"{names}@{names}.example"
    return member(f"{SHOP}:{7001 + number}", first_name=first, last_name=last, email=address.lower())


def longest_rollup(char: str, count: int = 50) -> Announcement:
    """Return a roll-up of members whose names and alerts' titles are this character, many times."""
    return _rollup(count, names=char * 2_000)


def written(announcement: Announcement) -> dict[str, Any]:
    """Return what each channel makes of it, as the golden files hold it."""
    mail = email(announcement)
    return {
        "slack": slack(announcement),
        "slack_first_message_then": slack_first(announcement),
        "email": {"subject": mail.subject, "body": mail.body.splitlines()},
        "pagerduty": pagerduty(announcement, SHOP) if "inv:" in announcement.telling.alert.occasion else None,
    }
