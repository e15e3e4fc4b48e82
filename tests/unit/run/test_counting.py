"""How often people were told the same: by customer, by the platform's own idea of a matter, and by level."""

from __future__ import annotations

import pytest
from relay_cli.counting import doubles, matters, plain

LINK = "https://admin.shopify.com/store/acme/customers/1"
KNOWN = matters(
    [
        {"customer_id": "1", "at": "2026-03-01T07:10:12.000Z", "topic": "a", "occasion": "dunning 1"},
        {"customer_id": "1", "at": "2026-03-02T07:10:12.000Z", "topic": "a", "occasion": "dunning 1"},
        {
            "customer_id": "1",
            "at": "2026-03-02T07:10:40.000Z",
            "topic": "b",
            "occasion": "customer.ordered 7",
        },
        {"customer_id": "1", "at": "2026-04-01T07:10:12.000Z", "topic": "a", "occasion": "dunning 2"},
        {"customer_id": "2", "at": "2026-03-01T07:10:12.000Z", "topic": "a", "occasion": "dunning 3"},
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
