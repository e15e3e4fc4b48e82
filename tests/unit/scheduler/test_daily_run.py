"""The daily run: a digest and reminders each morning, for all members, after any interruption."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest
from relay.errors import ConflictError
from relay.ports.scans import DailyRun
from relay.rules.settings import Rules

from tests.support.port_fakes import SHOP, FakeContext, FakeMembers
from tests.support.scheduler_fakes import FakeDailyRunStore, SchedulerSetup, kpi
from tests.unit.scheduler.scheduler_setup import DAY, HOUR, MINUTE, NEW_YORK, START, busy, person, play_ticks


def test_a_morning() -> None:
    """At nine by the shop's clock: the reminders of the day, and the digest of the day before."""
    setup = SchedulerSetup([person(1, 7 * DAY + 4 * HOUR), person(2, 90 * DAY)], zone=NEW_YORK)
    busy(setup, START + DAY)
    play_ticks(setup, START, START + 5 * HOUR - MINUTE)
    assert (setup.alerts.sent, setup.changes.sent) == ([], [])
    play_ticks(setup, START + 5 * HOUR)
    [digest] = setup.digests()
    assert (digest.id, digest.day) == (f"digest:{SHOP}:2026-02-28", date(2026, 2, 28))
    assert digest.at == datetime(2026, 3, 1, 14, tzinfo=UTC)
    assert digest.lines == (
        ("Joined", "24"),
        ("Net members", "+24"),
        ("Credits expiring within 7 days", "1: 9"),
    )
    assert setup.note_ids() == ["exp:lot1.0:7"]


def test_the_very_first_tick_sends_nothing() -> None:
    """What came due before the deployment is not sent in one heap on the first day."""
    setup = SchedulerSetup([person(1, HOUR)])
    busy(setup, START)
    play_ticks(setup, START)
    assert (setup.alerts.sent, setup.changes.sent) == ([], [])
    assert setup.runs.run is not None
    assert (setup.runs.run.phase, setup.runs.run.day) == ("done", date(2026, 3, 1))


def test_an_empty_day_has_no_digest() -> None:
    """And the next one is of its own day alone."""
    setup = SchedulerSetup()
    play_ticks(setup, START, START + DAY, START + 2 * DAY)
    assert setup.digests() == []
    setup.kpis.put(list(kpi("joined", START + 2 * DAY)))
    play_ticks(setup, START + 3 * DAY, START + 4 * DAY)
    assert [digest.day for digest in setup.digests()] == [date(2026, 3, 3)]


def test_a_large_shop_is_gone_through_over_several_ticks() -> None:
    """While time is short each tick does what it can; the digest comes when all are through."""
    setup = SchedulerSetup([person(number, 7 * DAY + 10 * HOUR) for number in range(7)])
    play_ticks(setup, START)

    class OnePage(FakeContext):
        def get_remaining_time_in_millis(self) -> int:
            self.millis -= 25_000
            return self.millis

    parts = []
    for quarter in range(7):
        parts.append(setup.daily().advance(START + DAY + quarter * 15 * MINUTE, OnePage(50_000)))
        assert bool(setup.digests()) is (parts[-1] in {"letters", "done"})
    assert parts == ["members", "members", "members", "sync_states", "digest", "letters", "done"]
    assert setup.note_ids() == [f"exp:lot{number}.0:7" for number in range(7)]
    [digest] = setup.digests()
    assert digest.lines == (("Credits expiring within 7 days", "7: 63"),)


def test_without_time_nothing_is_begun() -> None:
    """The rest of the tick needs some too."""
    setup = SchedulerSetup([person(1, 7 * DAY)])
    play_ticks(setup, START)
    play_ticks(setup, START + DAY, millis=20_000)
    assert setup.changes.sent == []


def test_two_ticks_at_once() -> None:
    """The second one saves nothing and raises a conflict; its notes have the ids of the first one's."""
    setup = SchedulerSetup([person(1, 7 * DAY + 10 * HOUR)])
    play_ticks(setup, START)
    slow = replace(setup.daily(), runs=_Behind(setup.runs))
    play_ticks(setup, START + DAY)
    before = setup.runs.run
    with pytest.raises(ConflictError):
        slow.advance(START + DAY, FakeContext())
    assert setup.runs.run == before
    assert setup.note_ids() == ["exp:lot1.0:7"] * 2
    assert len(setup.digests()) == 1


class _Behind(FakeDailyRunStore):
    """Reads what was there before the other tick began, and writes to the same place."""

    def __init__(self, table: FakeDailyRunStore) -> None:
        super().__init__(table.run)
        self.table = table

    def save(self, run: DailyRun) -> None:
        self.table.save(run)


def test_a_page_that_is_refused_is_sent_again_whole() -> None:
    """Alerts or changes are refused: the run stays where it is, and the next tick sends the page again."""
    setup = SchedulerSetup([person(1, 7 * DAY + 10 * HOUR), person(2, 7 * DAY + 10 * HOUR)])
    play_ticks(setup, START)
    setup.changes.refuse = {1}
    with pytest.raises(ConnectionError):
        play_ticks(setup, START + DAY)
    play_ticks(setup, START + DAY + 15 * MINUTE)
    assert setup.note_ids() == ["exp:lot1.0:7", "exp:lot1.0:7", "exp:lot2.0:7"]


def test_a_clock_that_is_set_back_begins_anew() -> None:
    """One tick with a time far ahead must not silence all that follow."""
    setup = SchedulerSetup([person(1, 9 * DAY + 10 * HOUR)])
    play_ticks(setup, START, START + 900 * DAY, START + DAY, START + 2 * DAY, START + 3 * DAY)
    assert setup.note_ids() == ["exp:lot1.0:7"]


def test_members_that_cannot_be_read_hold_no_others_up() -> None:
    """Newer code has written them; their number is logged."""
    setup = SchedulerSetup([person(1, 7 * DAY + 10 * HOUR)], unreadable=3)
    play_ticks(setup, START, START + DAY)
    assert ("unreadable_members", 3) in [
        (name, about.get("number")) for name, about in setup.telemetry.outcomes
    ]
    assert setup.note_ids() == ["exp:lot1.0:7"]


def test_after_days_without_a_tick_each_day_has_its_digest() -> None:
    """The oldest first; only the last one has the present state. After a month, those of the last week."""
    setup = SchedulerSetup([person(1, 9 * DAY)])
    busy(setup, START + 40 * DAY)
    play_ticks(setup, START, START + 4 * DAY + 4 * HOUR)
    digests = setup.digests()
    assert [digest.day for digest in digests] == [date(2026, 3, number) for number in (1, 2, 3, 4)]
    assert ["expiring" in str(digest.lines) for digest in digests] == [False, False, False, True]
    play_ticks(setup, START + 30 * DAY)
    assert [digest.day for digest in setup.digests()[4:]] == [
        date(2026, 3, number) for number in range(24, 31)
    ]


def test_the_rules_say_when() -> None:
    """Another time of day takes effect with the next day; no day has two digests for it."""
    setup = SchedulerSetup(members=FakeMembers(rules=Rules(digest_at=time(18))))
    busy(setup, START + 5 * DAY)
    play_ticks(setup, START, START + 9 * HOUR)
    assert [digest.at.hour for digest in setup.digests()] == [18]
    setup.members.rules = Rules(digest_at=time(9))
    play_ticks(setup, *(START + 9 * HOUR + hour * HOUR for hour in range(48)))
    assert [(digest.day.isoformat(), digest.at.hour) for digest in setup.digests()] == [
        ("2026-02-28", 18),
        ("2026-03-01", 9),
        ("2026-03-02", 9),
    ]


def test_the_digest_shows_the_same_day_of_the_week_before() -> None:
    """Whole days by the shop's clock, seven days back."""
    setup = SchedulerSetup(zone=NEW_YORK)
    setup.kpis.put(
        [
            *kpi("joined", START - 5 * HOUR, 2),
            *kpi("joined", START - 7 * DAY - 5 * HOUR, 3),
            *kpi("joined", START - 6 * DAY - 5 * HOUR, 9),
        ]
    )
    play_ticks(setup, START - DAY, START + 5 * HOUR)
    lines = dict(setup.digests()[-1].lines)
    assert lines["Joined"] == "2 · a week before 3"
