"""What people read says the outcome, the member, how much, until when by the shop's clock, and what to do."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from relay.alerts.render import email_message, slack_first_message, slack_message
from relay.alerts.render.content import tone_of
from relay.alerts.render.times import local_time, localised
from relay.model.effects import Alert, Level, Tone
from relay.ports.alerts import Notification

from tests.support.golden_alerts import golden_notifications
from tests.support.incident_builders import MIA, alert_message, member

TICK = "\N{WHITE HEAVY CHECK MARK}"
RED = "\N{LARGE RED CIRCLE}"
GOLDEN = golden_notifications()


def heading(payload: dict[str, Any]) -> str:
    """Return a Slack message's heading."""
    text: str = payload["blocks"][0]["text"]["text"]
    return text


@pytest.mark.parametrize("whose", ["ordinary", "high-value"])
def test_the_end_is_the_headline(whose: str) -> None:
    """Recovered with a tick, lost in red: in the thread, over the thread's first message, and in the e-mail."""
    ends = {
        "recovered": (TICK, "Recovered: 49.00 USD, Mia K."),
        "lost": (RED, "Lost: Mia K. cancelled after 3 failed payments"),
    }
    for name, (icon, title) in ends.items():
        notification = GOLDEN[f"{whose}-{name}"]
        first = slack_first_message(notification)
        assert first
        assert heading(slack_message(notification)) == heading(first) == f"{icon} {title}"
        assert email_message(notification).subject == f"Relay {title} [7001]"


@pytest.mark.parametrize("name", [name for name, each in GOLDEN.items() if each.kind == "resolved"])
def test_what_is_over_is_not_repeated(name: str) -> None:
    """The first message of an incident that is over names no deadline and asks for nothing that was to be done before it."""
    first = slack_first_message(GOLDEN[name])
    assert first
    text = str(first)
    for over in (
        "Time left",
        "Last attempt expected",
        "Next attempt expected",
        "Ends on",
        "Attempt*",
        "Until then",
    ):
        assert over not in text


@pytest.mark.parametrize(
    ("tone", "outcome", "icon"),
    [
        (None, None, TICK),
        (None, "recovered", TICK),
        (None, "lost", RED),
        ("bad", None, RED),
        ("neutral", None, "\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16}"),
    ],
)
def test_only_a_good_end_has_a_tick(tone: Tone | None, outcome: Any, icon: str) -> None:
    """As its rule says; without a word of it, a lost fee is bad and every other end good."""
    message = alert_message(title="The end", action="resolve")
    message = replace(message, alert=replace(message.alert, tone=tone, outcome=outcome))
    for kind in ("resolved", "notice"):
        notification = Notification(alert_message=message, kind=kind, member=MIA)
        assert heading(slack_message(notification)) == f"{icon} The end"


def test_the_member_has_a_place_in_the_title() -> None:
    """By name, by address where no name is known, by number where nothing is; at the beginning with a capital letter."""
    message = alert_message(title="{member} is back: {member}")
    shown = Notification(alert_message=message, kind="updated", member=MIA)
    assert email_message(shown).body.startswith("Mia K. is back: Mia K.\n")
    nameless = replace(shown, member=member(email="mia@example.com"))
    assert email_message(nameless).body.startswith("M•••@example.com is back")
    unknown = replace(shown, member=None)
    assert email_message(unknown).body.startswith("Customer 7001 is back: customer 7001\n")
    unmasked = replace(shown, mask=False)
    assert email_message(unmasked).body.startswith("Mia Keller is back")


def test_a_name_in_a_title_stays_harmless() -> None:
    """It is no link, has no line of its own, and is cut at 40 characters."""
    hostile = member(first_name="Sign in: https://evil.example/x\nNow", last_name="y" * 200, email="")
    shown = Notification(
        alert_message=alert_message(title="{member} is back"), kind="updated", member=hostile, mask=False
    )
    body, blocks = email_message(shown).body, str(slack_message(shown))
    assert "https://evil" not in body + blocks
    assert "evil.example" not in body + blocks
    first_line = body.splitlines()[0]
    assert len(first_line) <= 40 + len(" is back")


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "Tue 1 Jul 2025, 23:30 UTC"),
        ("Europe/Berlin", "Wed 2 Jul 2025, 01:30 CEST"),
        ("America/New_York", "Tue 1 Jul 2025, 19:30 EDT"),
        ("America/Sao_Paulo", "Tue 1 Jul 2025, 20:30 UTC-0300"),
    ],
)
def test_times_are_the_shops(zone: str, shown: str) -> None:
    """Of the message, and of every moment that a rule has written into a title, a detail or the advice."""
    at = datetime(2025, 7, 1, 23, 30, tzinfo=UTC)
    assert local_time(at, ZoneInfo(zone)) == shown
    assert localised("until 2025-07-01 23:30 UTC, then", ZoneInfo(zone)) == f"until {shown}, then"
    message = alert_message(
        at=at,
        title="At 2025-07-01 23:30 UTC",
        advice="Until 2025-07-01 23:30 UTC",
        details=(("By", "2025-07-01 23:30 UTC"),),
    )
    body = email_message(
        Notification(alert_message=message, kind="opened", member=MIA, zone=ZoneInfo(zone))
    ).body
    assert body.count(shown) == 4
    assert "23:30 UTC" not in body or zone == "UTC"


@pytest.mark.parametrize(
    "text", ["2025-13-45 99:99 UTC", "2025-02-30 10:00 UTC", "9999-12-31 23:59 UTC", "0001-01-01 00:00 UTC"]
)
def test_what_only_looks_like_a_moment_stays(text: str) -> None:
    """A reason may hold any text: no message fails over it."""
    for zone in ("Pacific/Auckland", "America/Los_Angeles"):
        assert localised(text, ZoneInfo(zone))


@pytest.mark.parametrize("name", GOLDEN)
def test_every_message_is_complete(name: str) -> None:
    """It says what to do, says no enum, names no rule's placeholder, and the e-mail has each fact and link of Slack."""
    notification = GOLDEN[name]
    blocks, body = slack_message(notification)["blocks"], email_message(notification).body
    text = str(blocks) + body
    assert "{member}" not in text
    assert not re.search(r"\b[A-Z]{3,}_[A-Z_]+\b", text)
    if notification.kind != "resolved" or notification.alert_message.member:
        assert notification.alert_message.alert.advice
    for block in blocks:
        for field in block.get("fields", ()):
            label, _, value = field["text"].partition("\n")
            assert f"{label.strip('*')}: {value}".replace("&gt;", ">") in body
    for link in re.findall(r"<(https://[^|]+)\|", str(blocks)):
        assert link in body


@pytest.mark.parametrize("name", [name for name, each in GOLDEN.items() if each.member])
def test_each_alert_about_a_member_says_since_when(name: str) -> None:
    """And why one of high value is of high value."""
    body = email_message(GOLDEN[name]).body
    assert "Member since: Mon 3 Apr 2023" in body
    is_rich = not name.startswith(("ordinary", "anomaly"))
    assert ("High value: store credit of 120.00 USD, high from 100.00 USD on" in body) is is_rich


def test_a_rollup_says_where_the_rest_is() -> None:
    """Ten are listed; how many more there are, what they are worth, and the command that lists them."""
    body = email_message(GOLDEN["rollup"]).body
    assert "40 more members (2,780.00 USD at risk): `relay alerts` lists every open incident" in body
    assert "customer.cancelled" not in body
    assert "Memberships ended: 10" in body


def test_no_tone_is_forgotten() -> None:
    """An alert without a tone of its own still has one."""
    plain = Alert(rule="r", incident_key="k", level=Level.INFO, title="t")
    assert tone_of(plain) == "good"
    assert tone_of(replace(plain, outcome="lost")) == "bad"
