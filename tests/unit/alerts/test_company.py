"""When a run dies, or two are at the same matter: it is told once."""

from __future__ import annotations

import pytest
from relay.alerts.delivery import LEASE
from relay.errors import (
    TransientError,
)

from tests.support.incident_builders import INCIDENT_KEY, Crash, Desk, FakeChannel, alert_message
from tests.unit.alerts.hearing import OPEN, RISE, code, desk_with, hear

# -- crashes: before each save in turn, and right after the sending


@pytest.mark.parametrize("save", range(7))
def test_a_crash_before_any_save(save: int) -> None:
    """Wherever it dies, both channels end with the message once, or once more marked as a repeat."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    desk = desk_with(email, slack)
    desk.incidents.before_save = [*[None] * save, Crash()]
    if save < 6:
        with pytest.raises(Crash):
            hear(desk, OPEN)
    else:
        assert hear(desk, OPEN) == {"e1": None}
    desk.clock.passes(LEASE.total_seconds())
    assert hear(desk, OPEN, receives=2) == {"e1": None}
    # Saves: 0 admitted, 1 judged, 2 email claimed, 3 email sent, 4 slack claimed, 5 slack sent.
    assert email.heard == ["opening WARNING"] + ["opening WARNING again"] * (save == 3)
    assert slack.heard == ["opening WARNING"] + ["opening WARNING again"] * (save == 5)


@pytest.mark.parametrize("late", [True, False])
def test_a_crash_while_sending(late: bool) -> None:  # noqa: FBT001 - parametrised
    """Between the claim and its note nobody knows whether it arrived: it is repeated once, marked."""
    slack = FakeChannel("slack", [Crash()], late=late)
    desk = desk_with(slack)
    with pytest.raises(Crash):
        hear(desk, OPEN)
    desk.clock.passes(LEASE.total_seconds())
    assert hear(desk, OPEN, receives=2) == {"e1": None}
    assert slack.heard == ["opening WARNING"] * late + ["opening WARNING again"]


def test_who_is_told_by_another_run_is_left_alone() -> None:
    """While a claim is fresh its holder may be alive: the message waits for as long as the claim holds."""
    slack = FakeChannel("slack", [Crash()])
    desk = desk_with(slack)
    with pytest.raises(Crash):
        hear(desk, OPEN)
    desk.clock.passes(20)
    answer = hear(desk, OPEN, receives=2)["e1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == LEASE.total_seconds() - 20
    assert slack.asked == 1


@pytest.mark.parametrize("save", range(5))
def test_two_runs_with_one_matter(save: int) -> None:
    """A second run that comes in before any save of the first: both end well, nobody hears anything twice."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    desk = desk_with(email, slack)
    answers: list[Exception | None] = []
    desk.incidents.before_save = [*[None] * save, lambda: answers.extend(hear(desk, RISE).values())]
    answers += hear(desk, OPEN).values()
    for told in (OPEN, RISE):
        desk.clock.passes(LEASE.total_seconds())
        assert hear(desk, told, deferrals=1) == {told.event_id: None}
    for channel in (email, slack):
        assert channel.heard in (["opening WARNING", "rise ERROR"], ["opening ERROR"])
    assert all(error is None or isinstance(error, TransientError) for error in answers)


def test_a_matter_that_everybody_writes_comes_again() -> None:
    """After some tries the message is put off instead of trying for ever."""
    desk = desk_with(FakeChannel())
    desk.incidents.before_save = [lambda: meddle(desk)] * 50
    assert code(hear(desk, OPEN)["e1"]) == ("TransientError", "table incidents: too many writers")


def meddle(desk: Desk) -> None:
    waiting, desk.incidents.before_save = desk.incidents.before_save, []
    desk.incidents.save(desk.incidents.load(INCIDENT_KEY))
    desk.incidents.before_save = waiting


def test_the_table_down_keeps_only_its_own_matter_waiting() -> None:
    """An error around one matter is that message's answer; the rest of the batch is told."""
    email = FakeChannel()
    desk = desk_with(email)
    desk.incidents.before_save = [TransientError("table incidents")]
    other = alert_message("e9", minute=30, incident_key="dun:other")
    assert hear(desk, OPEN, other)["e9"] is None
    assert email.heard == ["opening WARNING"]
