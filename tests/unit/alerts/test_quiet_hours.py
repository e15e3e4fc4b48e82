"""Quiet hours: warnings are sent in the morning, and not at all if they are resolved by then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from relay.errors import TransientError
from relay.model.effects import Level
from relay.model.messages import AlertMessage, ClockTick
from relay.rules.settings import Flood

from tests.support.in_memory_notifier import FakeChannel, notifier_with
from tests.support.incident_builders import (
    INCIDENT_KEY,
    MIA,
    MORNING,
    NIGHT,
    QUIET_HOURS,
    alert_message,
    member_alert,
)


def test_a_warning_in_quiet_hours_is_sent_in_the_morning() -> None:
    """An error is sent now. In the morning each is sent by itself, with its own time."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=QUIET_HOURS)
    notifier.receive(alert_message("e1", at=NIGHT))
    notifier.receive(member_alert(1, level=Level.ERROR, at=NIGHT))
    assert email.sent == ["opened ERROR"]
    notifier.receive(ClockTick(at=NIGHT + timedelta(minutes=15)))
    assert email.sent == ["opened ERROR"]
    notifier.receive(ClockTick(at=MORNING))
    notifier.receive(ClockTick(at=MORNING + timedelta(minutes=15)))
    assert email.sent == ["opened ERROR", "opened WARNING"]
    assert email.notifications[1].alert_message.at == NIGHT
    assert email.notifications[1].member == MIA


def test_an_incident_resolved_by_the_morning_is_not_sent() -> None:
    """Neither its opening nor its resolution."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=QUIET_HOURS)
    notifier.receive(alert_message("e1", at=NIGHT))
    notifier.receive(alert_message("e2", at=NIGHT + timedelta(hours=1), action="resolve"))
    notifier.receive(ClockTick(at=MORNING))
    assert email.sent == []


def test_the_resolution_of_an_evenings_warning_waits_too() -> None:
    """The resolution of an error is sent now, as its opening was."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=QUIET_HOURS)
    evening = NIGHT - timedelta(hours=5)
    notifier.receive(alert_message("e1", at=evening), member_alert(1, level=Level.ERROR, at=evening))
    resolutions = (
        alert_message("e2", at=NIGHT, action="resolve"),
        member_alert(1, event_id="c1", at=NIGHT, action="resolve"),
    )
    notifier.receive(*resolutions)
    assert email.sent == ["opened WARNING", "opened ERROR", "resolved WARNING"]
    notifier.receive(ClockTick(at=MORNING))
    assert [one.alert_message.event_id for one in email.notifications] == ["e1", "e1", "c1", "e2"]


def test_a_warning_that_escalates_in_quiet_hours_is_sent_once() -> None:
    """Now, at its new level; the morning adds nothing."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=QUIET_HOURS)
    notifier.receive(alert_message("e1", at=NIGHT))
    notifier.receive(alert_message("e2", at=NIGHT + timedelta(hours=1), level=Level.ERROR))
    notifier.receive(ClockTick(at=MORNING))
    assert email.sent == ["opened ERROR"]


def test_many_alerts_of_a_night_are_one_message() -> None:
    """More than flood control admits are a flood, however slowly they came."""
    email = FakeChannel()
    rules = QUIET_HOURS.model_copy(update={"flood": Flood(alerts=3, minutes=10)})
    notifier = notifier_with(email, rules=rules)
    for customer in range(5):
        notifier.receive(member_alert(customer, at=NIGHT + timedelta(hours=customer)))
    notifier.receive(ClockTick(at=MORNING))
    assert email.titles == ["notice 5 alerts at once, in one message"]


def test_an_incident_muted_meanwhile_is_not_sent_in_the_morning() -> None:
    """A person has seen it before."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=QUIET_HOURS)
    notifier.receive(alert_message("e1", at=NIGHT))
    [key] = notifier.incidents.items
    muted = replace(notifier.incidents.items[key], muted_until=MORNING + timedelta(days=1))
    notifier.incidents.items[key] = muted
    notifier.receive(ClockTick(at=MORNING))
    assert email.sent == []


EVENING = NIGHT - timedelta(hours=5)
HOUR = timedelta(hours=1)
END = alert_message("r1", at=NIGHT, action="resolve")
NEXT = alert_message("e2", at=NIGHT + HOUR)
FINAL = alert_message("f1", at=NIGHT, outcome="failed_for_good")
CARD = alert_message("u1", at=NIGHT + HOUR, action="update", level=Level.INFO)


@pytest.mark.parametrize(
    ("night", "morning"),
    [
        # The end of what was told in the evening, whatever begins after it.
        ((END, NEXT), ["resolved r1 e1", "opened e2 e2"]),
        ((END, NEXT, alert_message("r2", at=NIGHT + 2 * HOUR, action="resolve")), ["resolved r1 e1"]),
        # The final failure is always said; an end includes it.
        ((FINAL, CARD), ["updated f1 e1", "updated u1 e1"]),
        ((FINAL, CARD, alert_message("r3", at=NIGHT + 2 * HOUR, action="resolve")), ["resolved r3 e1"]),
        ((replace(CARD, at=NIGHT), replace(FINAL, at=NIGHT + HOUR)), ["updated f1 e1"]),
    ],
)
def test_what_waits_is_not_lost_for_what_comes_after_it(
    night: tuple[AlertMessage, ...], morning: list[str]
) -> None:
    """Each in the thread of its own beginning."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=QUIET_HOURS)
    notifier.receive(alert_message("e1", at=EVENING))
    for each in night:
        notifier.receive(each)
    assert email.sent == ["opened WARNING"]
    for tick in (MORNING, MORNING + timedelta(minutes=15)):
        notifier.receive(ClockTick(at=tick))
    told = [f"{one.kind} {one.alert_message.event_id} {one.thread_id}" for one in email.notifications]
    assert told == ["opened e1 e1", *morning]


def test_the_end_of_a_muted_incident_is_said_in_the_morning() -> None:
    """In the thread, as it would be by day."""
    slack = FakeChannel("slack")
    notifier = notifier_with(slack, rules=QUIET_HOURS)
    notifier.receive(alert_message("e1", at=EVENING))
    known = notifier.incidents.items[INCIDENT_KEY]
    notifier.incidents.items[INCIDENT_KEY] = replace(known, muted_until=MORNING + timedelta(hours=2))
    notifier.receive(END)
    notifier.receive(ClockTick(at=MORNING))
    assert slack.sent == ["opened WARNING", "resolved WARNING"]


def test_slack_down_in_the_morning() -> None:
    """The tick comes again until each channel has each message, once."""
    email, slack = FakeChannel("email"), FakeChannel("slack", [TransientError("slack: 503")] * 2)
    notifier = notifier_with(email, slack, rules=QUIET_HOURS)
    notifier.receive(alert_message("e1", at=NIGHT), member_alert(1, at=NIGHT))
    for deferrals in range(2):
        [result] = notifier.receive(ClockTick(at=MORNING), deferrals=deferrals).values()
        assert isinstance(result, TransientError)
    assert list(notifier.receive(ClockTick(at=MORNING), deferrals=2).values()) == [None]
    assert email.sent == slack.sent == ["opened WARNING"] * 2
