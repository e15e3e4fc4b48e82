"""Duplicate alerts are counted by customer, by the simulator's incident, and by level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from local_stack.duplicates import duplicate_messages, incidents_by_moment, slack_text
from relay.alerts.render import email_message, slack_message
from relay.ports.alerts import Notification

from tests.support.incident_builders import alert_message

LINK = "https://admin.shopify.com/store/acme/customers/1"
INCIDENTS = incidents_by_moment(
    [
        {"customer_id": "1", "at": "2026-03-01T07:10:12.000Z", "topic": "a", "incident_key": "dunning 1"},
        {"customer_id": "1", "at": "2026-03-02T07:10:12.000Z", "topic": "a", "incident_key": "dunning 1"},
        {
            "customer_id": "1",
            "at": "2026-03-02T07:10:40.000Z",
            "topic": "b",
            "incident_key": "customer.ordered 7",
        },
        {"customer_id": "1", "at": "2026-04-01T07:10:12.000Z", "topic": "a", "incident_key": "dunning 2"},
        {"customer_id": "2", "at": "2026-03-01T07:10:12.000Z", "topic": "a", "incident_key": "dunning 3"},
    ]
)


def message(when: str = "2026-03-01 07:10", level: str = "Warning", link: str = LINK) -> str:
    return f"! {level}: A payment failed - Ada\n<{link}|Open>\n{when} UTC\nRule r"


@pytest.mark.parametrize(
    "second",
    [
        message(),
        message("2026-03-02 07:10"),
        message("2026-03-02 07:10", "Now warning"),
    ],
)
def test_a_second_message_of_one_incident_and_level_is_a_duplicate(second: str) -> None:
    """Moment and words do not matter: it is one dunning, and the order of the same minute is another incident."""
    assert len(duplicate_messages([message(), second], INCIDENTS)) == 1


@pytest.mark.parametrize(
    "second",
    [
        message("2026-03-02 07:10", "Now error"),
        message("2026-03-02 07:10", "Over"),
        message("2026-04-01 07:10"),
        message(link=LINK[:-1] + "2"),
        message("2026-03-05 09:00"),
    ],
)
def test_a_message_about_something_else_is_no_duplicate(second: str) -> None:
    """A higher level, a resolution, the next dunning, another customer and an unknown moment are something else."""
    assert duplicate_messages([message(), second], INCIDENTS) == []


def test_each_message_beyond_the_first_counts() -> None:
    """Three equal messages are two duplicates."""
    assert len(duplicate_messages([message()] * 3, INCIDENTS)) == 2


def test_an_equal_summary_is_a_duplicate() -> None:
    """A message without a customer is a duplicate of one with the same heading."""
    assert duplicate_messages(["Digest of Monday", "Digest of Tuesday"], INCIDENTS) == []
    assert len(duplicate_messages(["Digest of Monday", "Digest of Monday"], INCIDENTS)) == 1


def test_a_second_summary_of_a_day_is_a_duplicate_with_other_numbers() -> None:
    """A second digest of one day is a duplicate; a summary of another moment is not."""
    digest = "The membership programme on Monday, 2026-03-02\nJoined: {}\n2026-03-03 {} UTC"
    assert len(duplicate_messages([digest.format(1, "09:00"), digest.format(2, "09:15")], {})) == 1
    flood = "Warning: 21 alerts at once\n{} UTC\nRule rollup"
    assert duplicate_messages([flood.format("2026-03-02 09:00"), flood.format("2026-03-02 09:15")], {}) == []
    assert len(duplicate_messages([flood.format("2026-03-02 09:00")] * 2, {})) == 1


def notification(at: datetime, title: str, *, minute: int = 10, repeat: bool = False) -> Notification:
    details = (("Amount", "25.00 USD"), ("Last attempt expected", f"{at:%Y-%m-%d} 19:45 UTC"))
    message = alert_message(title, member="acme.myshopify.com:1", title=title, details=details)
    message = replace(message, at=at.replace(minute=minute))
    return Notification(alert_message=message, kind="opened", member=None, may_be_repeat=repeat)


@pytest.mark.parametrize(
    "read", [lambda one: slack_text(slack_message(one)), lambda one: email_message(one).body]
)
def test_relays_own_messages_are_understood(read: Callable[[Notification], str]) -> None:
    """The event's moment counts, not one in the details; a message marked as a possible repeat is a duplicate."""
    first, second = datetime(2026, 3, 1, 7, 10, tzinfo=UTC), datetime(2026, 3, 2, 7, 10, tzinfo=UTC)
    one, other = notification(first, "A payment failed"), notification(second, "Time is running out")
    assert len(duplicate_messages([read(one), read(other)], INCIDENTS)) == 1
    next_one = notification(datetime(2026, 4, 1, 7, 10, tzinfo=UTC), "A payment failed")
    assert duplicate_messages([read(one), read(next_one)], INCIDENTS) == []
    unknown = notification(first, "A payment failed", minute=50)
    again = notification(first, "A payment failed", minute=50, repeat=True)
    assert len(duplicate_messages([read(unknown), read(again)], INCIDENTS)) == 1


def test_a_slack_message_as_text() -> None:
    """The summary comes first, then every text in the blocks, at any depth."""
    blocks = [
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "one"},
            "fields": [{"type": "x", "text": "two"}],
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "three"}]},
    ]
    assert slack_text({"text": "summary", "blocks": blocks}).splitlines() == [
        "summary",
        "one",
        "two",
        "three",
    ]
