"""Nights: what can wait is told in the morning, and not at all when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from relay.errors import TransientError
from relay.model.effects import Level
from relay.model.messages import ClockTick
from relay.rules.settings import Flood

from tests.support.incident_builders import MIA, FakeChannel
from tests.unit.alerts.held_back import MORNING, NIGHT, QUIET, at, desk_with, hear, of, titles


def test_at_night_a_warning_waits_for_the_morning() -> None:
    """An error does not. In the morning each is told by itself, with its own time."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, at(NIGHT, "e1"))
    hear(desk, replace(of(1, level=Level.ERROR), at=NIGHT))
    assert email.heard == ["opening ERROR"]
    hear(desk, ClockTick(at=NIGHT + timedelta(minutes=15)))
    assert email.heard == ["opening ERROR"]
    hear(desk, ClockTick(at=MORNING))
    hear(desk, ClockTick(at=MORNING + timedelta(minutes=15)))
    assert email.heard == ["opening ERROR", "opening WARNING"]
    assert email.had[1].alert_message.at == NIGHT
    assert email.had[1].member == MIA


def test_what_is_over_by_the_morning_is_not_told() -> None:
    """Neither its beginning nor its end."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, at(NIGHT, "e1"))
    hear(desk, at(NIGHT + timedelta(hours=1), "e2", action="close"))
    hear(desk, ClockTick(at=MORNING))
    assert email.heard == []


def test_the_end_of_an_evenings_warning_waits_too() -> None:
    """The end of an error is told at once, as its beginning was."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    evening = NIGHT - timedelta(hours=5)
    hear(desk, at(evening, "e1"), replace(of(1, level=Level.ERROR), at=evening))
    hear(desk, at(NIGHT, "e2", action="close"), replace(of(1, action="close"), at=NIGHT, event_id="c1"))
    assert email.heard == ["opening WARNING", "opening ERROR", "closing WARNING"]
    hear(desk, ClockTick(at=MORNING))
    assert [had.alert_message.event_id for had in email.had] == ["e1", "e1", "c1", "e2"]


def test_a_warning_that_grows_worse_at_night_is_told_once() -> None:
    """At once, as what it is by now; the morning adds nothing."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, at(NIGHT, "e1"))
    hear(desk, at(NIGHT + timedelta(hours=1), "e2", level=Level.ERROR))
    hear(desk, ClockTick(at=MORNING))
    assert email.heard == ["opening ERROR"]


def test_a_night_of_many_is_one_message() -> None:
    """More than a flood's worth is a flood, however slowly it came."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET.model_copy(update={"flood": Flood(alerts=3, minutes=10)}))
    for customer in range(5):
        hear(desk, replace(of(customer), at=NIGHT + timedelta(hours=customer)))
    hear(desk, ClockTick(at=MORNING))
    assert titles(email) == ["notice 5 alerts at once, told in one message"]


def test_what_was_muted_meanwhile_is_not_told_in_the_morning() -> None:
    """Somebody looked at it before."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, at(NIGHT, "e1"))
    [key] = desk.incidents.items
    desk.incidents.items[key] = replace(desk.incidents.items[key], muted_until=MORNING + timedelta(days=1))
    hear(desk, ClockTick(at=MORNING))
    assert email.heard == []


def test_slack_down_in_the_morning() -> None:
    """The tick comes again until each channel has each message, once."""
    email, slack = FakeChannel("email"), FakeChannel("slack", [TransientError("slack: 503")] * 2)
    desk = desk_with(email, slack, rules=QUIET)
    hear(desk, at(NIGHT, "e1"), replace(of(1), at=NIGHT))
    for deferrals in range(2):
        [answer] = hear(desk, ClockTick(at=MORNING), deferrals=deferrals).values()
        assert isinstance(answer, TransientError)
    assert list(hear(desk, ClockTick(at=MORNING), deferrals=2).values()) == [None]
    assert email.heard == slack.heard == ["opening WARNING"] * 2
