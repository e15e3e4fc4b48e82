"""The daily round: a digest and reminders each morning, of all members, whatever came between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest
from relay.errors import ConflictError
from relay.ports.scans import Round
from relay.rules.settings import Rules

from tests.support.port_fakes import SHOP, FakeContext, FakeMembers
from tests.support.scheduler_fakes import FakeRounds, Office, figure
from tests.unit.scheduler.ticked import DAY, HOUR, MINUTE, NEW_YORK, START, busy, person, ticked


def test_a_morning() -> None:
    """At nine by the shop's clock: the reminders of the day, and the digest of the day before."""
    office = Office([person(1, 7 * DAY + 4 * HOUR), person(2, 90 * DAY)], zone=NEW_YORK)
    busy(office, START + DAY)
    ticked(office, START, START + 5 * HOUR - MINUTE)
    assert (office.alerts.sent, office.changes.sent) == ([], [])
    ticked(office, START + 5 * HOUR)
    [digest] = office.digests()
    assert (digest.id, digest.day) == (f"digest:{SHOP}:2026-02-28", date(2026, 2, 28))
    assert digest.at == datetime(2026, 3, 1, 14, tzinfo=UTC)
    assert digest.lines == (
        ("Joined", "24"),
        ("Net members", "+24"),
        ("Credits expiring within 7 days", "1: 9"),
    )
    assert office.note_ids() == ["exp:lot1.0:7"]


def test_the_first_tick_of_all_tells_nothing() -> None:
    """What came due before anybody listened is not announced in one heap on the first day."""
    office = Office([person(1, HOUR)])
    busy(office, START)
    ticked(office, START)
    assert (office.alerts.sent, office.changes.sent) == ([], [])
    assert office.rounds.round_ is not None
    assert (office.rounds.round_.part, office.rounds.round_.day) == ("done", date(2026, 3, 1))


def test_an_empty_day_has_no_digest() -> None:
    """And the next one is of its own day alone."""
    office = Office()
    ticked(office, START, START + DAY, START + 2 * DAY)
    assert office.digests() == []
    office.figures.keep(list(figure("joined", START + 2 * DAY)))
    ticked(office, START + 3 * DAY, START + 4 * DAY)
    assert [digest.day for digest in office.digests()] == [date(2026, 3, 3)]


def test_a_large_shop_is_gone_through_over_several_ticks() -> None:
    """While time is short each tick does what it can; the digest comes when all are through."""
    office = Office([person(number, 7 * DAY + 10 * HOUR) for number in range(7)])
    ticked(office, START)

    class OnePage(FakeContext):
        def get_remaining_time_in_millis(self) -> int:
            self.millis -= 25_000
            return self.millis

    parts = []
    for quarter in range(6):
        parts.append(office.daily().run(START + DAY + quarter * 15 * MINUTE, OnePage(50_000)))
        assert bool(office.digests()) is (parts[-1] == "done")
    assert parts == ["members", "members", "members", "mirrors", "digest", "done"]
    assert office.note_ids() == [f"exp:lot{number}.0:7" for number in range(7)]
    [digest] = office.digests()
    assert digest.lines == (("Credits expiring within 7 days", "7: 63"),)


def test_without_time_nothing_is_begun() -> None:
    """The rest of the tick needs some too."""
    office = Office([person(1, 7 * DAY)])
    ticked(office, START)
    ticked(office, START + DAY, millis=20_000)
    assert office.changes.sent == []


def test_two_ticks_at_once() -> None:
    """The one that comes second notes nothing and says so; what it told bears the ids of the first."""
    office = Office([person(1, 7 * DAY + 10 * HOUR)])
    ticked(office, START)
    slow = replace(office.daily(), rounds=_Behind(office.rounds))
    ticked(office, START + DAY)
    before = office.rounds.round_
    with pytest.raises(ConflictError):
        slow.run(START + DAY, FakeContext())
    assert office.rounds.round_ == before
    assert office.note_ids() == ["exp:lot1.0:7"] * 2
    assert len(office.digests()) == 1


class _Behind(FakeRounds):
    """Reads what was there before the other tick began, and writes to the same place."""

    def __init__(self, table: FakeRounds) -> None:
        super().__init__(table.round_)
        self.table = table

    def save(self, round_: Round) -> None:
        self.table.save(round_)


def test_a_page_that_is_refused_is_told_again_whole() -> None:
    """Alerts or changes not taken: the round stays where it is, and the next tick sends the page again."""
    office = Office([person(1, 7 * DAY + 10 * HOUR), person(2, 7 * DAY + 10 * HOUR)])
    ticked(office, START)
    office.changes.refuse = {1}
    with pytest.raises(ConnectionError):
        ticked(office, START + DAY)
    ticked(office, START + DAY + 15 * MINUTE)
    assert office.note_ids() == ["exp:lot1.0:7", "exp:lot1.0:7", "exp:lot2.0:7"]


def test_a_clock_that_is_set_back_begins_anew() -> None:
    """One tick with a time far ahead must not silence all that follow."""
    office = Office([person(1, 9 * DAY + 10 * HOUR)])
    ticked(office, START, START + 900 * DAY, START + DAY, START + 2 * DAY, START + 3 * DAY)
    assert office.note_ids() == ["exp:lot1.0:7"]


def test_members_that_cannot_be_read_hold_nobody_up() -> None:
    """Newer code has written them; they are counted."""
    office = Office([person(1, 7 * DAY + 10 * HOUR)], unreadable=3)
    ticked(office, START, START + DAY)
    assert ("UnreadableMembers", 3) in office.telemetry.figures
    assert office.note_ids() == ["exp:lot1.0:7"]


def test_after_days_without_a_tick_each_day_has_its_digest() -> None:
    """The oldest first; only the last one says how things stand now. Nobody reads those of a month."""
    office = Office([person(1, 9 * DAY)])
    busy(office, START + 40 * DAY)
    ticked(office, START, START + 4 * DAY + 4 * HOUR)
    digests = office.digests()
    assert [digest.day for digest in digests] == [date(2026, 3, number) for number in (1, 2, 3, 4)]
    assert ["expiring" in str(digest.lines) for digest in digests] == [False, False, False, True]
    ticked(office, START + 30 * DAY)
    assert [digest.day for digest in office.digests()[4:]] == [
        date(2026, 3, number) for number in range(24, 31)
    ]


def test_the_rules_say_when() -> None:
    """Another time of day takes effect with the next day; no day has two digests for it."""
    office = Office(members=FakeMembers(rules=Rules(digest_at=time(18))))
    busy(office, START + 5 * DAY)
    ticked(office, START, START + 9 * HOUR)
    assert [digest.at.hour for digest in office.digests()] == [18]
    office.members.rules = Rules(digest_at=time(9))
    ticked(office, *(START + 9 * HOUR + hour * HOUR for hour in range(48)))
    assert [(digest.day.isoformat(), digest.at.hour) for digest in office.digests()] == [
        ("2026-02-28", 18),
        ("2026-03-01", 9),
        ("2026-03-02", 9),
    ]
