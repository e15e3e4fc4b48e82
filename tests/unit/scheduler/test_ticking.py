"""A tick: every part has its turn, and what failed is not hidden."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from relay.errors import ConflictError, TransientError
from relay.ingest.unclaimed import UnclaimedDrain
from relay.model.messages import AuditStep, ClockTick, load
from relay.rules.settings import Rules, Spikes
from relay.scheduler.tick import Scheduler

from tests.support.port_fakes import NOW, SHOP, FakeContext, FakeJournal, FakeMembers, FakeOutgoing
from tests.support.scheduler_fakes import Office, figure

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass
class EmptyInbox:
    """A queue with nothing in it."""

    asked: int = 0

    def receive(self) -> list[object]:
        self.asked += 1
        return []

    def delete(self, messages: object) -> None:
        """Nothing to acknowledge."""


@dataclass
class Tower:
    """An office with a clock."""

    office: Office = field(default_factory=Office)
    inbox: EmptyInbox = field(default_factory=EmptyInbox)
    audited: list[FakeOutgoing] = field(default_factory=list)

    def clockwork(self) -> Scheduler:
        return Scheduler(
            shop=SHOP,
            alerts=self.office.alerts,
            members=self.office.members,
            figures=self.office.figures,
            daily=self.office.daily(),
            drain=UnclaimedDrain(
                shop=SHOP,
                unclaimed=self.inbox,  # type: ignore[arg-type]  # it never has a message
                topics={},
                dead_letters=FakeOutgoing(),
                journal=FakeJournal(),
            ),
            telemetry=self.office.telemetry,
            audited=self.audited,
        )

    def measured(self) -> dict[str, float]:
        return {name: value for name, value in self.office.telemetry.figures if f"shop={SHOP}" in name}


def conditions(**found: int) -> dict[str, float]:
    names = ("FailureSpike", "CancelSpike", "ManualCredits", "Silence")
    return {f"{name} shop={SHOP}": float(found.get(name, 0)) for name in names}


def test_every_part_has_its_turn() -> None:
    """The notifier hears the tick's time; the conditions are measured though none holds."""
    tower = Tower()
    done = tower.clockwork().tick(NOW, FakeContext())
    assert done == {
        "notifier": "woken",
        "conditions": {"FailureSpike": 0, "CancelSpike": 0, "ManualCredits": 0, "Silence": 0},
        "round": "done",
        "audits": {"asked": 0},
        "unclaimed": {},
    }
    [message] = tower.office.alerts.sent
    assert (load(ClockTick, message.body), message.header.topic) == (ClockTick(at=NOW), "relay.tick")
    assert tower.measured() == conditions()


def test_each_condition_is_measured_by_the_figures() -> None:
    """As 1 while it holds, by the shop whose alarms go by it, and as of the tick's own time."""
    tower = Tower()
    figures = tower.office.figures
    for name, number in (("failed_attempt", 10), ("left_by_merchant", 5), ("manual_credit", 6)):
        figures.keep(list(figure(name, NOW - MINUTE, number)))
    figures.hear({NOW - 2 * DAY - back * DAY: 10 for back in range(14)})
    tower.clockwork().tick(NOW, FakeContext())
    assert tower.measured() == conditions(FailureSpike=1, CancelSpike=1, ManualCredits=1, Silence=1)
    tower.clockwork().tick(NOW - HOUR, FakeContext())
    assert tower.measured() == conditions(Silence=1)


def test_the_settings_hold_for_conditions() -> None:
    """Those that the merchant has applied."""
    tower = Tower(Office(members=FakeMembers(rules=Rules(spikes=Spikes(cancels_in_an_hour=2)))))
    tower.office.figures.keep(list(figure("left_voluntarily", NOW - MINUTE, 2)))
    tower.clockwork().tick(NOW, FakeContext())
    assert tower.measured() == conditions(CancelSpike=1)


def test_a_part_that_fails_holds_up_no_other() -> None:
    """It is logged by its name, and the tick counts as failed: Lambda tries it again, the alarm sees it."""
    tower = Tower()
    tower.office.alerts.refuse = {0}
    tower.office.figures.failure = TransientError("table figures: throttled")
    with pytest.raises(ConnectionError):
        tower.clockwork().tick(NOW, FakeContext())
    assert tower.inbox.asked == 1
    assert tower.office.rounds.round_ is not None
    failed = {
        about["part"]: (about["error"], about["reason"])
        for outcome, about in tower.office.telemetry.outcomes
        if outcome == "tick_failed"
    }
    # The text of an error that is not ours may hold anything.
    assert failed == {
        "notifier": ("ConnectionError", None),
        "conditions": ("TransientError", "table figures: throttled"),
    }


def test_a_tick_beside_another_is_no_failure() -> None:
    """The other one has gone on with the round, and this one need not."""
    tower = Tower()
    tower.office.rounds.before_save.append(ConflictError("gone on since"))
    assert tower.clockwork().tick(NOW, FakeContext())["round"] == "elsewhere"
    assert tower.inbox.asked == 1


@pytest.mark.parametrize(
    ("now", "asked"),
    [
        (datetime(2026, 3, 2, 7, 59, tzinfo=UTC), 0),
        (datetime(2026, 3, 2, 8, 0, tzinfo=UTC), 1),
        (datetime(2026, 3, 2, 10, 45, tzinfo=UTC), 1),
        (datetime(2026, 3, 2, 11, 0, tzinfo=UTC), 0),
        (datetime(2026, 3, 3, 8, 0, tzinfo=UTC), 0),
        (datetime(2026, 3, 9, 7, 0, tzinfo=UTC), 1),
    ],
)
def test_once_a_week_the_audits_are_asked_for(now: datetime, asked: int) -> None:
    """Monday, three o'clock in New York, for three hours, so that a late tick will do; always as the same run."""
    tower = Tower(office=Office(zone=ZoneInfo("America/New_York")), audited=[FakeOutgoing(), FakeOutgoing()])
    assert tower.clockwork().tick(now, FakeContext())["audits"] == {"asked": 2 * asked}
    hour = 7 if now.day == 9 else 8
    for queue in tower.audited:
        runs = [(load(AuditStep, message.body).run, message.header.topic) for message in queue.sent]
        assert runs == [(now.replace(hour=hour, minute=0), "relay.audit")] * asked


def test_a_queue_that_refuses_keeps_no_other_from_its_audit() -> None:
    """The tick counts as failed, and the next one asks again."""
    tower = Tower(audited=[FakeOutgoing(refuse={0}), FakeOutgoing()])
    with pytest.raises(TransientError):
        tower.clockwork().tick(datetime(2026, 3, 2, 4, tzinfo=UTC), FakeContext())
    assert len(tower.audited[1].sent) == 1
