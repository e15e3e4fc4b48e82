"""How often people were told the same: by customer, by the platform's own idea of a matter, and by level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from relay.alerts.render import email_message, slack_message
from relay.ports.alerts import Notification
from relay_cli.counting import doubles, matters, plain

from tests.support.incident_builders import alert_message

LINK = "https://admin.shopify.com/store/acme/customers/1"
KNOWN = matters(
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
def test_the_same_matter_at_the_same_level_is_told_twice(second: str) -> None:
    """Whatever the moment and the words: it is one dunning, and the order of that minute is not its matter."""
    assert len(doubles([message(), second], KNOWN)) == 1


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
def test_something_else_is_told_once(second: str) -> None:
    """A higher level, the end of it, the next dunning, another customer, a time of which nothing is known."""
    assert doubles([message(), second], KNOWN) == []


def test_each_telling_beyond_the_first_counts() -> None:
    """Three messages are two too many."""
    assert len(doubles([message()] * 3, KNOWN)) == 2


def test_a_summary_is_told_once() -> None:
    """A message about nobody in particular is the same when it says the same."""
    assert doubles(["Digest of Monday", "Digest of Tuesday"], KNOWN) == []
    assert len(doubles(["Digest of Monday", "Digest of Monday"], KNOWN)) == 1


def test_a_summary_of_a_day_is_told_once_whatever_it_counts_by_then() -> None:
    """Two digests of one day are one too many; two summaries of two moments are not."""
    digest = "The membership programme on Monday, 2026-03-02\nJoined: {}\n2026-03-03 {} UTC"
    assert len(doubles([digest.format(1, "09:00"), digest.format(2, "09:15")], {})) == 1
    flood = "Warning: 21 alerts at once\n{} UTC\nRule rollup"
    assert doubles([flood.format("2026-03-02 09:00"), flood.format("2026-03-02 09:15")], {}) == []
    assert len(doubles([flood.format("2026-03-02 09:00")] * 2, {})) == 1


def told_of(at: datetime, title: str, *, minute: int = 10, may_be_repeat: bool = False) -> Notification:
    details = (("Amount", "25.00 USD"), ("Last attempt expected", f"{at:%Y-%m-%d} 19:45 UTC"))
    said = alert_message(title, member="acme.myshopify.com:1", title=title, details=details)
    said = replace(said, at=at.replace(minute=minute))
    return Notification(alert_message=said, kind="opened", member=None, may_be_repeat=may_be_repeat)


@pytest.mark.parametrize("read", [lambda one: plain(slack_message(one)), lambda one: email_message(one).body])
def test_what_relay_writes_is_counted(read: Callable[[Notification], str]) -> None:
    """By when it happened, whatever other moments the details name; marked as a repeat it is one more all the same."""
    first, second = datetime(2026, 3, 1, 7, 10, tzinfo=UTC), datetime(2026, 3, 2, 7, 10, tzinfo=UTC)
    one, other = told_of(first, "A payment failed"), told_of(second, "Time is running out")
    assert len(doubles([read(one), read(other)], KNOWN)) == 1
    next_one = told_of(datetime(2026, 4, 1, 7, 10, tzinfo=UTC), "A payment failed")
    assert doubles([read(one), read(next_one)], KNOWN) == []
    unknown = told_of(first, "A payment failed", minute=50)
    again = told_of(first, "A payment failed", minute=50, may_be_repeat=True)
    assert len(doubles([read(unknown), read(again)], KNOWN)) == 1


def test_a_slack_message_is_read_as_people_read_it() -> None:
    """The summary first, then every text in the blocks, however deep."""
    blocks = [
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "one"},
            "fields": [{"type": "x", "text": "two"}],
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "three"}]},
    ]
    assert plain({"text": "summary", "blocks": blocks}).splitlines() == ["summary", "one", "two", "three"]
