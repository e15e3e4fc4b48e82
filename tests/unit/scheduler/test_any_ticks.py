"""The daily run over any ticks and any crashes: each digest once, each reminder once, none lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, tzinfo
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st
from relay.errors import TransientError
from relay.model import calendar
from relay.model.member import Member
from relay.rules.settings import Rules
from relay.scheduler.reminders import EXPIRING

from tests.support.port_fakes import FakeMembers
from tests.support.scheduler_fakes import SchedulerSetup
from tests.unit.scheduler.scheduler_setup import DAY, MINUTE, NEW_YORK, START, busy, person, play_ticks

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
    """Ticks with gaps of up to a day, doubled and late ones among them: everything is sent, and once."""
    people = [person(number, *(minutes * MINUTE for minutes in own)) for number, own in enumerate(ends)]
    setup = SchedulerSetup(people, zone=zone, members=FakeMembers(rules=Rules(digest_at=time(hour))))
    ticks = [START]
    for gap in gaps:
        ticks.append(ticks[-1] + gap * MINUTE)
    busy(setup, ticks[-1] + DAY)
    for number, at in enumerate(ticks):
        play_ticks(setup, at)
        if number in repeats:
            play_ticks(setup, at, ticks[max(number - 1, 0)])
    _all_sent_once(setup, people, ticks, zone, time(hour))


def _all_sent_once(
    setup: SchedulerSetup, people: Sequence[Member], ticks: Sequence[datetime], zone: tzinfo, at: time
) -> None:
    first, last = (calendar.latest(tick, at, zone) for tick in (ticks[0], ticks[-1]))
    expected = [first + number * DAY for number in range((last - first).days)]
    assert [digest.day for digest in setup.digests()] == expected
    begin, end = calendar.moment(first, at, zone), calendar.moment(last, at, zone)
    assert sorted(setup.note_ids()) == sorted(
        f"exp:{lot_id}:{ahead.days}"
        for one in people
        for lot_id, lot in one.lots.items()
        for ahead in EXPIRING
        if begin < lot.expires_at - ahead <= end
    )


Break = Callable[[SchedulerSetup], None]

_TICKS_A_DAY = 4


def _no_members(setup: SchedulerSetup) -> None:
    setup.members.failure = TransientError("down")


def _no_figures(setup: SchedulerSetup) -> None:
    setup.kpis.failure = TransientError("down")


def _no_notes(setup: SchedulerSetup) -> None:
    setup.changes.refuse = set(range(setup.changes.asked, setup.changes.asked + 3))


def _no_alerts(setup: SchedulerSetup) -> None:
    setup.alerts.refuse = {setup.alerts.asked}


def _no_memory(setup: SchedulerSetup) -> None:
    setup.runs.before_save.append(TransientError("down"))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.integers(1, 19),
        st.sampled_from([_no_members, _no_figures, _no_notes, _no_alerts, _no_memory]),
        max_size=12,
    ),
    ENDS,
)
@example(dict.fromkeys(range(1, 12), _no_members), [])
def test_any_crashes(broken: dict[int, Break], ends: Sequence[Sequence[int]]) -> None:
    """Whatever fails at a tick, wherever a tick ends: in the end the same ids were sent, none left out.

    Something may be sent twice, under the same id: its receivers keep ids. A digest that could not be made for
    a whole day comes with the next one, and then says when.
    """
    people = [person(number, *(minutes * MINUTE for minutes in own)) for number, own in enumerate(ends)]
    setup, calm = SchedulerSetup(people), SchedulerSetup(people)
    ticks = [START + number * DAY / _TICKS_A_DAY for number in range(24)]
    for one in (setup, calm):
        busy(one, ticks[-1])
    for number, at in enumerate(ticks):
        play_ticks(calm, at)
        if number in broken:
            broken[number](setup)
        try:
            play_ticks(setup, at)
        except (TransientError, ConnectionError):
            assert number in broken
        setup.members.failure = setup.kpis.failure = None
        setup.changes.refuse, setup.alerts.refuse = set(), set()
        setup.runs.before_save.clear()
    assert set(setup.note_ids()) == set(calm.note_ids())
    digests, expected = ({digest.id: digest for digest in one.digests()} for one in (setup, calm))
    assert digests.keys() == expected.keys()
    late = {key for key in digests if digests[key].at != expected[key].at}
    assert all(digests[key] == expected[key] for key in digests.keys() - late)
    assert all(digests[key].at > expected[key].at for key in late)
    a_day = any(all(number + later in broken for later in range(_TICKS_A_DAY)) for number in broken)
    assert a_day or not late
