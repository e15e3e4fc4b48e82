"""A tick: every part runs, and a failure is not hidden."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from relay.errors import ConflictError, TransientError
from relay.model.messages import AuditStep, ClockTick, WaitingRound, load
from relay.rules.settings import Rules, Spikes

from tests.support.port_fakes import NOW, FakeContext, FakeMembers, FakeOutgoing
from tests.support.scheduler_fakes import SchedulerSetup, kpi

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def measured(setup: SchedulerSetup) -> dict[str, float]:
    """Return the last value of each metric."""
    return dict(setup.telemetry.measured)


def conditions(**found: int) -> dict[str, float]:
    names = ("FailureSpike", "CancelSpike", "ManualCredits", "Silence")
    return {name: float(found.get(name, 0)) for name in names}


def test_every_part_runs() -> None:
    """The notifier gets the tick's time; the conditions are measured though none holds."""
    setup = SchedulerSetup()
    done = setup.scheduler().tick(NOW, FakeContext())
    assert done == {
        "notifier": "woken",
        "reconcile": "no_api",
        "conditions": {"FailureSpike": 0, "CancelSpike": 0, "ManualCredits": 0, "Silence": 0},
        "daily_run": "done",
        "audits": {"requested": 0},
        "waiting": {"requested": 0},
        "unclaimed": {},
        "erasures": "by night",
    }
    [message] = setup.alerts.sent
    assert (load(ClockTick, message.body), message.header.topic) == (ClockTick(at=NOW), "relay.tick")
    assert measured(setup) == conditions()


def test_each_condition_is_measured_by_the_kpi_events() -> None:
    """As 1 while it holds, as of the tick's own time."""
    setup = SchedulerSetup()
    kpis = setup.kpis
    for name, number in (("failed_attempt", 10), ("left_by_merchant", 5), ("manual_credit", 6)):
        kpis.put(list(kpi(name, NOW - MINUTE, number)))
    kpis.add_webhooks({NOW - 2 * DAY - back * DAY: 10 for back in range(14)})
    setup.scheduler().tick(NOW, FakeContext())
    assert measured(setup) == conditions(FailureSpike=1, CancelSpike=1, ManualCredits=1, Silence=1)
    setup.scheduler().tick(NOW - HOUR, FakeContext())
    assert measured(setup) == conditions(Silence=1)


def test_the_settings_hold_for_conditions() -> None:
    """Those that the merchant has applied."""
    setup = SchedulerSetup(members=FakeMembers(rules=Rules(spikes=Spikes(cancels_in_an_hour=2))))
    setup.kpis.put(list(kpi("left_voluntarily", NOW - MINUTE, 2)))
    setup.scheduler().tick(NOW, FakeContext())
    assert measured(setup) == conditions(CancelSpike=1)


def test_a_part_that_fails_holds_up_no_other() -> None:
    """It is logged by its name, and the tick counts as failed: Lambda tries it again, the alarm sees it."""
    setup = SchedulerSetup()
    setup.alerts.refuse = {0}
    setup.kpis.failure = TransientError("table figures: throttled")
    with pytest.raises(ConnectionError):
        setup.scheduler().tick(NOW, FakeContext())
    assert setup.inbox.asked == 1
    assert setup.runs.run is not None
    failed = {
        about["part"]: (about["error"], about["reason"])
        for outcome, about in setup.telemetry.outcomes
        if outcome == "tick_failed"
    }
    # The text of an error that is not ours may hold anything.
    assert failed == {
        "notifier": ("ConnectionError", None),
        "conditions": ("TransientError", "table figures: throttled"),
    }


def test_a_tick_beside_another_is_no_failure() -> None:
    """The other one has advanced the run, and this one need not."""
    setup = SchedulerSetup()
    setup.runs.before_save.append(ConflictError("gone on since"))
    assert setup.scheduler().tick(NOW, FakeContext())["daily_run"] == "elsewhere"
    assert setup.inbox.asked == 1


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
def test_once_a_week_the_audits_are_requested(now: datetime, asked: int) -> None:
    """Monday, three o'clock in New York, for three hours, so that a late tick will do; always as the same run."""
    setup = SchedulerSetup(zone=ZoneInfo("America/New_York"), crm_queues=[FakeOutgoing(), FakeOutgoing()])
    assert setup.scheduler().tick(now, FakeContext())["audits"] == {"requested": 2 * asked}
    hour = 7 if now.day == 9 else 8
    for queue in setup.crm_queues:
        audits = [message for message in queue.sent if message.header.topic == "relay.audit"]
        runs = [(load(AuditStep, message.body).run, message.header.topic) for message in audits]
        assert runs == [(now.replace(hour=hour, minute=0), "relay.audit")] * asked


def test_a_queue_that_refuses_keeps_no_other_from_its_audit() -> None:
    """The tick counts as failed, and the next one asks again."""
    setup = SchedulerSetup(crm_queues=[FakeOutgoing(refuse={0}), FakeOutgoing()])
    with pytest.raises(TransientError):
        setup.scheduler().tick(datetime(2026, 3, 2, 4, tzinfo=UTC), FakeContext())
    assert [message.header.topic for message in setup.crm_queues[1].sent] == ["relay.audit", "relay.waiting"]


def test_every_crm_is_asked_for_its_waiting_members_at_every_tick() -> None:
    """The function looks at its own schedule; a queue that refuses keeps no other from its request."""
    setup = SchedulerSetup(crm_queues=[FakeOutgoing(refuse={0}), FakeOutgoing()])
    with pytest.raises(TransientError):
        setup.scheduler().tick(NOW, FakeContext())
    [message] = setup.crm_queues[1].sent
    assert (load(WaitingRound, message.body), message.header.topic) == (WaitingRound(at=NOW), "relay.waiting")
