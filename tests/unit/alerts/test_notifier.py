"""The notifier works on a batch: in order, by name where it is known, and never without rules or time."""

from __future__ import annotations

import pytest
from relay.alerts.notifier import RulesCache
from relay.errors import PermanentError, TransientError
from relay.rules.settings import Rules

from tests.support.in_memory_notifier import FakeChannel, error_of, notifier_with
from tests.support.incident_builders import ESCALATE, INCIDENT_KEY, OPEN, RESOLVE, queue_message
from tests.support.port_fakes import FakeContext


def test_an_incident_from_opening_to_resolution() -> None:
    """Every channel gets the opening, the escalation and the resolution, each once."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    notifier = notifier_with(email, slack)
    for message in (OPEN, OPEN, ESCALATE, OPEN, RESOLVE, ESCALATE, RESOLVE):
        assert notifier.receive(message) == {message.event_id: None}
    assert email.sent == slack.sent == ["opened WARNING", "escalated ERROR", "resolved WARNING"]
    assert notifier.incidents.items[INCIDENT_KEY].pending == ()


def test_a_batch_is_processed_by_time() -> None:
    """Within a batch an opening comes before its resolution, whatever the order of the queue."""
    email = FakeChannel()
    notifier_with(email).receive(RESOLVE, ESCALATE, OPEN)
    assert email.sent == ["opened WARNING", "escalated ERROR", "resolved WARNING"]


def test_a_resolution_that_overtakes_its_opening() -> None:
    """It leaves nothing open and sends nothing."""
    email = FakeChannel()
    notifier = notifier_with(email)
    assert notifier.receive(RESOLVE) == {"e2": None}
    assert notifier.receive(OPEN) == {"e1": None}
    assert email.sent == []
    assert not notifier.incidents.items[INCIDENT_KEY].active
    assert [(name, fields["classification"]) for name, fields in notifier.telemetry.outcomes] == [
        ("alert_suppressed", "resolved_before_open"),
        ("alert_suppressed", "stale"),
    ]


def test_the_notification_has_the_members_record() -> None:
    """As it is when the notification is sent."""
    email = FakeChannel()
    notifier_with(email).receive(OPEN)
    record = email.notifications[0].member
    assert record is not None
    assert record.text("first_name") == "Mia"


def test_an_alert_does_not_wait_for_a_name() -> None:
    """With the members table down it is sent without the name by the rules last read, and the log says why."""
    email = FakeChannel()
    notifier = notifier_with(email)
    notifier.cache = RulesCache(Rules())
    notifier.members.failure = TransientError("table members")
    assert notifier.receive(OPEN) == {"e1": None}
    assert email.notifications[0].member is None
    assert [name for name, _ in notifier.telemetry.outcomes] == ["members_not_read", "alert_sent"]


def test_without_any_rules_an_alert_waits() -> None:
    """The defaults could be other channels than the merchant's."""
    email = FakeChannel()
    notifier = notifier_with(email)
    notifier.members.failure = TransientError("table members")
    assert error_of(notifier.receive(OPEN)["e1"]) == ("TransientError", "table members")
    notifier.members.failure = None
    assert notifier.receive(OPEN, deferrals=1) == {"e1": None}
    assert notifier.cache.rules == Rules()
    assert email.sent == ["opened WARNING"]


def test_outcomes_name_the_event_and_the_rule_but_no_member() -> None:
    """One line for each channel, and a count by channel; no name, no address, no customer."""
    notifier = notifier_with(FakeChannel("email"))
    notifier.receive(OPEN)
    fields = {
        "event_id": "e1",
        "topic": "customer.payment_failed",
        "rule": "payment_failed",
        "channel": "email",
        "kind": "opened",
        "may_be_repeat": False,
        # Seconds from the event to people, for the query of the slowest events.
        "age": 10_200.0,
    }
    assert notifier.telemetry.outcomes == [("alert_sent", fields)]
    assert notifier.telemetry.measured == [("AlertsSent", 1)]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"alert": null}',
        queue_message(OPEN).body.replace("2025-07-01T09:10:00Z", "2025-07-01T09:10:00"),
        queue_message(OPEN).body.replace(INCIDENT_KEY, ""),
        queue_message(OPEN).body.replace(INCIDENT_KEY, "x" * 1025),
        queue_message(OPEN).body.replace('"level":20', '"level":21'),
    ],
)
def test_an_unreadable_message_fails_alone(body: str) -> None:
    """The rest of its batch is sent."""
    email = FakeChannel()
    results = notifier_with(email).receive(body, ESCALATE)
    error = results[body]
    assert isinstance(error, PermanentError)
    assert error.reason == "unreadable_message"
    assert results["e3"] is None
    assert email.sent == ["opened ERROR"]


def test_nothing_is_started_that_would_not_finish() -> None:
    """With little time left the rest is returned to the queue."""
    email = FakeChannel()
    assert notifier_with(email).receive(OPEN, context=FakeContext(millis=19_000)) == {}
    assert email.calls == 0
