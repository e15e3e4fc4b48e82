"""What was given up is written down before anything may forget it: a person was not told, and an operator must know."""

from __future__ import annotations

from datetime import timedelta

import pytest
from relay.alerts.delivery import CLAIM_DURATION
from relay.alerts.holdback import MAX_GIVEN_UP as MAX_TICKS_GIVEN_UP
from relay.alerts.holdback import finish, tick_key
from relay.errors import PermanentError
from relay.model.hold_queue import GivenUp, HoldQueue
from relay.model.incident import MAX_GIVEN_UP
from relay.model.messages import ClockTick

from tests.support.in_memory_notifier import Crash, FakeChannel, InMemoryNotifier, notifier_with
from tests.support.incident_builders import (
    DAY,
    ESCALATE,
    FLOOD_CONTROL,
    INCIDENT_KEY,
    NIGHT,
    OPEN,
    QUIET_HOURS,
    RESOLVE,
    alert_message,
    member_alert,
)


def crashed_twice(notifier: InMemoryNotifier) -> None:
    """Let two invocations end between the claim of the escalation and its call."""
    notifier.receive(OPEN)
    for receives in (1, 2):
        notifier.channels[0].failures.insert(0, Crash())  # type: ignore[attr-defined]  # the fake's own
        with pytest.raises(Crash):
            notifier.receive(ESCALATE, receives=receives)
        notifier.clock.advance(CLAIM_DURATION.total_seconds())


@pytest.mark.parametrize("resolutions", [0, 1, 2])
def test_a_resolution_does_not_take_the_message_with_it(resolutions: int) -> None:
    """Given up, and the invocation ended before the dead letter: the message comes again, and is written down then."""
    email = FakeChannel("email")
    notifier = notifier_with(email)
    crashed_twice(notifier)
    (lost,) = notifier.receive(ESCALATE, receives=3).values()  # this answer never reaches the dead letters
    assert isinstance(lost, PermanentError)
    for number in range(resolutions):
        notifier.receive(RESOLVE if number == 0 else alert_message("e9", minute=25, action="resolve"))
    (again,) = notifier.receive(ESCALATE, receives=4).values()
    assert isinstance(again, PermanentError)
    assert again.reason == lost.reason == "unconfirmed"
    assert "escalated ERROR" not in "".join(email.sent)


def test_a_refused_opening_is_written_down_too() -> None:
    """Refused by the channel, not only unconfirmed."""
    slack = FakeChannel("slack", [PermanentError("slack_invalid_blocks")])
    notifier = notifier_with(slack)
    notifier.receive(OPEN)
    notifier.receive(RESOLVE)
    (error,) = notifier.receive(OPEN, receives=2).values()
    assert isinstance(error, PermanentError)
    assert error.reason == "slack_invalid_blocks"


def test_a_redriven_letter_is_over_after_the_resolution() -> None:
    """It was written down, and the incident is resolved: nothing is sent, and no second letter is written."""
    email = FakeChannel("email")
    notifier = notifier_with(email)
    crashed_twice(notifier)
    notifier.receive(ESCALATE, receives=3)
    notifier.receive(RESOLVE)
    sent = list(email.sent)
    assert notifier.receive(ESCALATE) == {"e3": None}
    assert notifier.receive(ESCALATE, receives=2) == {"e3": None}
    assert email.sent == sent
    assert notifier.incidents.load(INCIDENT_KEY).given_up == {}


def test_the_record_stays_small() -> None:
    """An incident that flaps while a channel refuses everything keeps the latest only."""
    slack = FakeChannel("slack", [PermanentError("slack_invalid_blocks")] * 200)
    notifier = notifier_with(slack)
    for number in range(60):
        notifier.receive(alert_message(f"o{number}", minute=100 + 2 * number))
        notifier.receive(alert_message(f"r{number}", minute=101 + 2 * number, action="resolve"))
    given_up = notifier.incidents.load(INCIDENT_KEY).given_up
    assert len(given_up) == MAX_GIVEN_UP
    assert "o59" in given_up


@pytest.mark.parametrize("flood", [False, True])
def test_what_a_tick_gave_up_is_written_down_and_sent_by_a_redrive(*, flood: bool) -> None:
    """The invocation ended before the dead letter of the tick: the tick comes again, and is written down then."""
    slack = FakeChannel("slack")
    notifier = notifier_with(slack, rules=FLOOD_CONTROL if flood else QUIET_HOURS)
    at = DAY if flood else NIGHT
    notifier.receive(*(member_alert(customer, at=at) for customer in range(5 if flood else 1)))
    before = list(slack.sent)
    slack.failures = [PermanentError("slack_invalid_blocks")]
    tick = ClockTick(at=at + timedelta(hours=12))
    (lost,) = notifier.receive(tick).values()  # this answer never reaches the dead letters
    (again,) = notifier.receive(tick, receives=2).values()
    assert str(again) == str(lost) == "slack_invalid_blocks: slack"
    assert slack.sent == before
    assert list(notifier.receive(tick).values()) == [None]
    assert slack.sent == [*before, "notice WARNING" if flood else "opened WARNING"]
    assert notifier.incidents.hold_queue.given_up == ()


def test_what_ticks_gave_up_stays_small() -> None:
    """A channel that refuses everything keeps the latest by name."""
    queue = HoldQueue()
    for number in range(3):
        tick = DAY + timedelta(hours=number)
        refused = [GivenUp(tick=tick_key(tick), incident_key=f"i{one}", event_id="e") for one in range(150)]
        queue = finish(queue, tick, refused)
    assert len(queue.given_up) == MAX_TICKS_GIVEN_UP
    assert queue.given_up[-1].tick == tick_key(DAY + timedelta(hours=2))
