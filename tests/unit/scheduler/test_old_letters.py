"""The daily run keeps dead letters that will expire, and the weekly pass over the journal has its hours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from relay.errors import TransientError
from relay.model.effects import Level
from relay.recovery.dead_letters import Archived
from relay.recovery.erasure_pass import ErasurePass
from relay.scheduler.daily import DailyRunner
from relay.scheduler.old_letters import OldLetters

from tests.support.journal_fakes import FakeArchive
from tests.support.port_fakes import NOW, SHOP, FakeContext, FakeOutgoing
from tests.support.scheduler_fakes import FakeScan, SchedulerSetup

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass
class FakeBox:
    """Dead letters of which so many are old."""

    found: Archived = field(default_factory=Archived)
    failure: Exception | None = None
    asked: list[datetime] = field(default_factory=list)

    def archive(self, now: datetime, *, has_time: Any) -> Archived:
        """Return what was found."""
        assert has_time()
        self.asked.append(now)
        if self.failure:
            raise self.failure
        return self.found


@dataclass
class Letters:
    """A scheduler with a box of dead letters."""

    setup: SchedulerSetup = field(default_factory=SchedulerSetup)
    box: FakeBox = field(default_factory=FakeBox)

    def daily(self) -> DailyRunner:
        """Return what makes the daily run."""
        care = OldLetters(
            shop=SHOP,
            box=self.box,  # type: ignore[arg-type]  # the part that is used
            alerts=self.setup.alerts,
            telemetry=self.setup.telemetry,
        )
        return replace(self.setup.daily(), archive=care)

    def days(self, number: int) -> None:
        """Let so many days pass, with a tick every hour."""
        for hour in range(24 * number):
            self.daily().advance(NOW + hour * HOUR, FakeContext())


def test_once_a_day_with_one_alert_each() -> None:
    """Each day has its alert, which names the command; a day without old letters has none."""
    letters = Letters(box=FakeBox(Archived(archived=2)))
    letters.days(3)
    assert len(letters.box.asked) == 3
    first, second, _ = letters.setup.alert_messages()
    assert (first.alert.rule, first.alert.level, first.alert.details) == (
        "letters.expiring",
        Level.ERROR,
        (("Letters", "2"),),
    )
    assert "relay dead-letters redrive" in first.alert.advice
    assert first.alert.incident_key != second.alert.incident_key
    assert [
        about["archived"]
        for outcome, about in letters.setup.telemetry.outcomes
        if outcome == "letters_archived"
    ] == [2, 2, 2]
    letters.box.found = Archived()
    letters.setup.alerts.sent.clear()
    letters.daily().advance(NOW + 5 * DAY, FakeContext())
    assert len(letters.box.asked) == 4
    assert not letters.setup.alert_messages()


def test_a_failure_is_tried_again() -> None:
    """The digest is sent already; the letters wait for the next tick, and are not forgotten."""
    letters = Letters(box=FakeBox(Archived(archived=1), failure=TransientError("journal")))
    letters.daily().advance(NOW, FakeContext())
    with pytest.raises(TransientError):
        letters.daily().advance(NOW + DAY, FakeContext())
    assert letters.setup.runs.run is not None
    assert letters.setup.runs.run.phase == "letters"
    letters.box.failure = None
    assert letters.daily().advance(NOW + DAY + HOUR, FakeContext()) == "done"
    assert len(letters.setup.alert_messages()) == 1
    assert not [one for one in letters.setup.digests() if one.day == (NOW + 2 * DAY).date()]


def test_an_alert_that_is_not_taken() -> None:
    """The tick fails, and the next one sends it."""
    letters = Letters(
        setup=SchedulerSetup(alerts=FakeOutgoing(refuse={0})), box=FakeBox(Archived(archived=1))
    )
    letters.daily().advance(NOW, FakeContext())
    with pytest.raises(ConnectionError):
        letters.daily().advance(NOW + DAY, FakeContext())
    letters.daily().advance(NOW + DAY + HOUR, FakeContext())
    assert len(letters.setup.alert_messages()) == 1


@pytest.mark.parametrize(
    ("hour", "phase"), [(0, "by night"), (1, "done"), (6, "done"), (7, "by night"), (12, "by night")]
)
def test_the_hours_of_the_pass(hour: int, phase: str) -> None:
    """By the shop's clock; by day it does not even look into the bucket."""
    archive, setup = FakeArchive(), SchedulerSetup()
    sweep = ErasurePass(archive=archive, member_scan=FakeScan([]), journal_days=30)
    scheduler = replace(setup.scheduler(), erasures=lambda: sweep)
    assert scheduler.tick(NOW.replace(hour=hour), FakeContext())["erasures"] == phase
    assert bool(archive.reads) is (phase == "done")
    outcomes = [outcome for outcome, _ in setup.telemetry.outcomes]
    assert ("erasures_swept" in outcomes) is (phase == "done")
