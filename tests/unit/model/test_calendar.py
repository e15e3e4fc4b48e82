"""The shop's days, with the clocks changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from relay.model import calendar

NEW_YORK = ZoneInfo("America/New_York")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Tokyo")]
)


def test_a_day_has_as_many_hours_as_the_shop_says() -> None:
    """23 in spring, 25 in autumn."""
    begin, end = calendar.bounds(date(2026, 3, 8), NEW_YORK)
    assert (begin, end - begin) == (datetime(2026, 3, 8, 5, tzinfo=UTC), timedelta(hours=23))
    begin, end = calendar.bounds(date(2026, 11, 1), NEW_YORK)
    assert end - begin == timedelta(hours=25)


def test_a_time_that_a_change_skips_or_repeats_comes_once() -> None:
    """Half past two does not exist in spring, half past one comes twice in autumn: one moment each."""
    assert calendar.moment(date(2026, 3, 8), time(2, 30), NEW_YORK) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert calendar.moment(date(2026, 11, 1), time(1, 30), NEW_YORK) == datetime(
        2026, 11, 1, 5, 30, tzinfo=UTC
    )


def test_the_latest_day_whose_time_has_come() -> None:
    """To the minute, by the shop's clock and not by UTC's."""
    nine = datetime(2026, 7, 1, 13, 0, tzinfo=UTC)
    assert calendar.latest(nine, time(9), NEW_YORK) == date(2026, 7, 1)
    assert calendar.latest(nine - timedelta(seconds=1), time(9), NEW_YORK) == date(2026, 6, 30)


@given(
    ZONES,
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants them naive
    st.times(),
)
def test_a_day_is_the_latest_from_its_time_until_the_next(zone: ZoneInfo, now: datetime, at: time) -> None:
    """Whatever the zone and the time of day: no moment is between two days, none on two."""
    day = calendar.latest(now, at, zone)
    assert calendar.moment(day, at, zone) <= now < calendar.moment(day + calendar.DAY, at, zone)
    begin, end = calendar.bounds(day, zone)
    assert calendar.bounds(day + calendar.DAY, zone)[0] == end
    assert timedelta(hours=22) < end - begin < timedelta(hours=26)
