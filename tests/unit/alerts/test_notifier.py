"""Telling people: in order, by name where it is known, and never without rules or time."""

from __future__ import annotations

import pytest
from relay.alerts.notifier import KnownRules
from relay.errors import (
    PermanentError,
    TransientError,
)
from relay.rules.settings import Rules

from tests.support.incident_builders import INCIDENT_KEY, FakeChannel, message
from tests.support.port_fakes import FakeContext
from tests.unit.alerts.hearing import CLOSE, OPEN, RISE, code, desk_with, hear


def test_one_matter_from_beginning_to_end() -> None:
    """Every channel hears the opening, the rise and the end, each once."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    desk = desk_with(email, slack)
    for told in (OPEN, OPEN, RISE, OPEN, CLOSE, RISE, CLOSE):
        assert hear(desk, told) == {told.event_id: None}
    assert email.heard == slack.heard == ["opening WARNING", "rise ERROR", "closing WARNING"]
    assert desk.incidents.items[INCIDENT_KEY].owed == ()


def test_a_batch_is_told_by_time() -> None:
    """Within a batch an opening goes ahead of its end, however the queue mixed them."""
    email = FakeChannel()
    hear(desk_with(email), CLOSE, RISE, OPEN)
    assert email.heard == ["opening WARNING", "rise ERROR", "closing WARNING"]


def test_an_end_that_overtakes_its_beginning() -> None:
    """Leaves nothing open and tells nobody."""
    email = FakeChannel()
    desk = desk_with(email)
    assert hear(desk, CLOSE) == {"e2": None}
    assert hear(desk, OPEN) == {"e1": None}
    assert email.heard == []
    assert not desk.incidents.items[INCIDENT_KEY].open
    assert [(name, about["verdict"]) for name, about in desk.telemetry.outcomes] == [
        ("alert_suppressed", "tombstone"),
        ("alert_suppressed", "stale"),
    ]


def test_who_is_named_as_known_now() -> None:
    """The announcement carries the member's record."""
    email = FakeChannel()
    hear(desk_with(email), OPEN)
    who = email.had[0].member
    assert who is not None
    assert who.text("first_name") == "Mia"


def test_an_alert_does_not_wait_for_a_name() -> None:
    """With the members table down, people are told without the name by the rules last read, and the log says why."""
    email = FakeChannel()
    desk = desk_with(email)
    desk.known = KnownRules(Rules())
    desk.members.failure = TransientError("table members")
    assert hear(desk, OPEN) == {"e1": None}
    assert email.had[0].member is None
    assert [name for name, _ in desk.telemetry.outcomes] == ["members_not_read", "alert_sent"]


def test_without_any_rules_an_alert_waits() -> None:
    """A merchant who chose other channels must not be told by the defaults."""
    email = FakeChannel()
    desk = desk_with(email)
    desk.members.failure = TransientError("table members")
    assert code(hear(desk, OPEN)["e1"]) == ("TransientError", "table members")
    desk.members.failure = None
    assert hear(desk, OPEN, deferrals=1) == {"e1": None}
    assert desk.known.rules == Rules()
    assert email.heard == ["opening WARNING"]


def test_outcomes_name_the_event_and_the_rule_and_nobody() -> None:
    """One line for each channel told, and a count by channel; no name, no address, no customer."""
    desk = desk_with(FakeChannel("email"))
    hear(desk, OPEN)
    about = {
        "event_id": "e1",
        "topic": "customer.payment_failed",
        "rule": "payment_failed",
        "channel": "email",
        "kind": "opening",
        "repeat": False,
    }
    assert desk.telemetry.outcomes == [("alert_sent", about)]
    assert desk.telemetry.measured == [("AlertsSent", 1)]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"alert": null}',
        message(OPEN).body.replace("2025-07-01T09:10:00Z", "2025-07-01T09:10:00"),
        message(OPEN).body.replace(INCIDENT_KEY, ""),
        message(OPEN).body.replace(INCIDENT_KEY, "x" * 1025),
        message(OPEN).body.replace('"level":20', '"level":21'),
    ],
)
def test_what_is_no_alert_is_given_up_alone(body: str) -> None:
    """A malformed message is answered as such, and the rest of its batch is told."""
    email = FakeChannel()
    bad = message(body)
    answers = desk_with(email).notifier().work([bad, message(RISE)], FakeContext())
    error = answers[bad.id]
    assert isinstance(error, PermanentError)
    assert error.reason == "unreadable_message"
    assert answers["e3"] is None
    assert email.heard == ["opening ERROR"]


def test_nothing_is_started_that_would_not_finish() -> None:
    """With little time left the rest is handed back unstarted."""
    email = FakeChannel()
    assert desk_with(email).notifier().work([message(OPEN)], FakeContext(millis=19_000)) == {}
    assert email.asked == 0
