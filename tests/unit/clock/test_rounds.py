"""The daily round over any ticks: each digest once, each reminder once, none lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relay import days
from relay.clock.reminding import EXPIRING
from relay.errors import ConflictError, TransientError
from relay.facts import Facts, Lot
from relay.member import Member, merge
from relay.ports.rounds import Round
from relay.rules import Rules

from tests.fakes import SHOP, FakeContext, FakeMembers
from tests.fakes_clock import FakeRounds, Office, figure

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
"""When the round of 1 March is due in London."""

NEW_YORK = ZoneInfo("America/New_York")
"""Where the clocks are changed on 8 March 2026, in the middle of what is played here."""


def person(number: int, *ends: timedelta) -> Member:
    """Return a member with credits that end so long after the start."""
    one = Member(shop=SHOP, customer_id=str(number))
    one = merge(one, Facts(event_id=f"e{number}", at=START - DAY, values={"joined_at": START - DAY}))
    for place, ahead in enumerate(ends):
        lot = Lot(Decimal(9), START + ahead)
        one = merge(one, Facts(event_id=f"lot{number}.{place}", at=START - DAY, lot=lot))
    return one


def busy(office: Office, until: datetime) -> None:
    """Let one member join at every full hour, from two days before the start."""
    for hour in range(-48, (until - START) // HOUR):
        for each in figure("joined", START + hour * HOUR):
            office.figures.kept[each.id] = each


def ticked(office: Office, *ticks: datetime, millis: int = 60_000) -> None:
    for at in ticks:
        office.daily().run(at, FakeContext(millis))


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


GAPS = st.lists(st.integers(1, 23 * 60), min_size=1, max_size=60)
REPEATS = st.lists(st.integers(0, 60), max_size=20)
ENDS = st.lists(st.lists(st.integers(1, 45 * 24 * 60), max_size=3), max_size=5)


@settings(max_examples=60, deadline=None)
@given(
    GAPS,
    REPEATS,
    ENDS,
    st.sampled_from([UTC, NEW_YORK, ZoneInfo("Asia/Tokyo")]),
    st.sampled_from([0, 2, 9, 23]),
)
def test_any_ticks(
    gaps: Sequence[int], repeats: Sequence[int], ends: Sequence[Sequence[int]], zone: tzinfo, hour: int
) -> None:
    """Ticks with gaps of up to a day, doubled and late ones among them: all is told, and once."""
    people = [person(number, *(minutes * MINUTE for minutes in own)) for number, own in enumerate(ends)]
    office = Office(people, zone=zone, members=FakeMembers(rules=Rules(digest_at=time(hour))))
    ticks = [START]
    for gap in gaps:
        ticks.append(ticks[-1] + gap * MINUTE)
    busy(office, ticks[-1] + DAY)
    for number, at in enumerate(ticks):
        ticked(office, at)
        if number in repeats:
            ticked(office, at, ticks[max(number - 1, 0)])
    _all_told_once(office, people, ticks, zone, time(hour))


def _all_told_once(
    office: Office, people: Sequence[Member], ticks: Sequence[datetime], zone: tzinfo, at: time
) -> None:
    first, last = (days.latest(tick, at, zone) for tick in (ticks[0], ticks[-1]))
    expected = [first + number * DAY for number in range((last - first).days)]
    assert [digest.day for digest in office.digests()] == expected
    begin, end = days.moment(first, at, zone), days.moment(last, at, zone)
    assert sorted(office.note_ids()) == sorted(
        f"exp:{lot_id}:{ahead.days}"
        for one in people
        for lot_id, lot in one.lots.items()
        for ahead in EXPIRING
        if begin < lot.expires_at - ahead <= end
    )


Break = Callable[[Office], None]


def _no_members(office: Office) -> None:
    office.members.failure = TransientError("down")


def _no_figures(office: Office) -> None:
    office.figures.failure = TransientError("down")


def _no_notes(office: Office) -> None:
    office.changes.refuse = set(range(office.changes.asked, office.changes.asked + 3))


def _no_alerts(office: Office) -> None:
    office.alerts.refuse = {office.alerts.asked}


def _no_memory(office: Office) -> None:
    office.rounds.before_save.append(TransientError("down"))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.integers(1, 19),
        st.sampled_from([_no_members, _no_figures, _no_notes, _no_alerts, _no_memory]),
        max_size=12,
    ),
    ENDS,
)
def test_any_crashes(broken: dict[int, Break], ends: Sequence[Sequence[int]]) -> None:
    """Whatever fails at a tick, wherever a tick ends: in the end the same ids were told, none left out.

    Something may be told twice, under the same id: whoever hears of it keeps ids.
    """
    people = [person(number, *(minutes * MINUTE for minutes in own)) for number, own in enumerate(ends)]
    office, calm = Office(people), Office(people)
    ticks = [START + number * 6 * HOUR for number in range(24)]
    for one in (office, calm):
        busy(one, ticks[-1])
    for number, at in enumerate(ticks):
        ticked(calm, at)
        if number in broken:
            broken[number](office)
        try:
            ticked(office, at)
        except (TransientError, ConnectionError):
            assert number in broken
        office.members.failure = office.figures.failure = None
        office.changes.refuse, office.alerts.refuse = set(), set()
        office.rounds.before_save.clear()
    assert set(office.note_ids()) == set(calm.note_ids())
    assert {digest.id: digest for digest in office.digests()} == {
        digest.id: digest for digest in calm.digests()
    }
