"""Conditions of the programme: what is unusual, and what is only much."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from relay.model.kpis import KpiEvent
from relay.rules.settings import Spikes
from relay.scheduler import conditions

from tests.support.port_fakes import NOW
from tests.support.scheduler_fakes import kpi

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SETTINGS = Spikes()


def recent(*events: KpiEvent, usual: tuple[KpiEvent, ...] = ()) -> conditions.RecentEvents:
    """Return what a tick at noon finds, put into its hours as the clock reads them."""
    kept = [*events, *usual]
    own, *before = [
        [each for each in kept if begin <= each.at < end] for begin, end in conditions.windows(NOW)
    ]
    return conditions.RecentEvents(at=NOW, hour=own, usual=before)


def failed(number: int, ago: timedelta) -> tuple[KpiEvent, ...]:
    return tuple(kpi("failed_attempt", NOW - ago, number))


def paid(number: int, ago: timedelta) -> tuple[KpiEvent, ...]:
    return tuple(kpi("payment", NOW - ago, number))


@pytest.mark.parametrize(
    ("found", "spike"),
    [
        (failed(10, 5 * MINUTE) + paid(900, 5 * MINUTE), True),
        (failed(9, 5 * MINUTE) + paid(900, 5 * MINUTE), False),
        # across two ticks: no window of the clock's own has ten, but fifteen minutes have
        (failed(6, 16 * MINUTE) + failed(4, 2 * MINUTE) + paid(900, 5 * MINUTE), True),
        (failed(6, 17 * MINUTE) + failed(4, 2 * MINUTE) + paid(900, 5 * MINUTE), False),
        # over for half an hour: the alarm may rest
        (failed(10, 31 * MINUTE) + paid(900, 5 * MINUTE), False),
        # an hour's share
        (failed(5, 50 * MINUTE) + paid(11, 40 * MINUTE), True),
        (failed(5, 50 * MINUTE) + paid(12, 40 * MINUTE), False),
        (failed(4, 50 * MINUTE), False),
        ((), False),
    ],
)
def test_a_spike_of_failures(found: tuple[KpiEvent, ...], *, spike: bool) -> None:
    """Ten within fifteen minutes, or five and more than 30 % of an hour's attempts."""
    assert conditions.failure_spike(recent(*found), SETTINGS) is spike


def test_a_share_that_is_usual_at_this_hour_is_no_spike() -> None:
    """A programme whose retries run at noon fails half of its attempts at noon, every day."""
    found = failed(5, 50 * MINUTE) + paid(5, 40 * MINUTE)
    usual = failed(4, DAY + 20 * MINUTE) + paid(3, 2 * DAY + 20 * MINUTE)
    assert not conditions.failure_spike(recent(*found, usual=usual), SETTINGS)
    other_hour = failed(4, DAY + 2 * HOUR) + paid(3, DAY + 2 * HOUR)
    assert conditions.failure_spike(recent(*found, usual=other_hour), SETTINGS)


@pytest.mark.parametrize(
    ("number", "usual", "spike"), [(5, 0, True), (4, 0, False), (8, 3, False), (9, 3, True)]
)
def test_a_wave_of_cancellations(number: int, usual: int, *, spike: bool) -> None:
    """Five in an hour, or three times what is usual then; of whatever kind."""
    kinds = ("left_voluntarily", "left_involuntarily", "left_by_merchant")
    found = [each for place in range(number) for each in kpi(kinds[place % 3], NOW - place * MINUTE - MINUTE)]
    before = [
        each
        for back in range(1, 8)
        for each in kpi("left_voluntarily", NOW - back * DAY - 30 * MINUTE, usual)
    ]
    assert conditions.cancel_spike(recent(*found, usual=tuple(before)), SETTINGS) is spike


def test_a_request_to_leave_is_no_cancellation_yet() -> None:
    """It can still be undone."""
    asked = tuple(kpi("pending_cancellation", NOW - MINUTE, 50))
    assert not conditions.cancel_spike(recent(*asked), SETTINGS)


@pytest.mark.parametrize(
    ("numbers", "spike"),
    [({1: 6}, True), ({1: 5}, False), ({14: 3, 23: 3}, True), ({12: 3, 23: 3}, False), ({26: 9}, False)],
)
def test_credits_by_hand(numbers: dict[int, int], *, spike: bool) -> None:
    """More than five within any ten minutes that ended since the last tick."""
    found = [
        each for ago, number in numbers.items() for each in kpi("manual_credit", NOW - ago * MINUTE, number)
    ]
    assert conditions.manual_credits(recent(*found), SETTINGS) is spike


def hours(*counts: tuple[timedelta, int]) -> dict[datetime, int]:
    return {NOW - ago: number for ago, number in counts}


def busy(until: timedelta, days: int = 14, a_day: int = 10) -> dict[datetime, int]:
    """Return so many days with webhooks in one hour each, the last of them so long ago."""
    return hours(*((until + back * DAY, a_day) for back in range(days)))


@pytest.mark.parametrize(
    ("webhooks", "silent"),
    [
        (busy(25 * HOUR), True),
        (busy(24 * HOUR), False),
        (busy(25 * HOUR, a_day=9), False),
        # a young shop, and one that never was busy: nothing is usual yet
        (busy(25 * HOUR, days=6), False),
        (busy(25 * HOUR, days=8), True),
        ({}, False),
        # a silence of weeks is one still
        (busy(20 * DAY), True),
        (busy(25 * HOUR) | hours((2 * HOUR, 1)), False),
    ],
)
def test_silence(webhooks: dict[datetime, int], *, silent: bool) -> None:
    """A day without a webhook, where ten a day are usual."""
    assert conditions.silence(webhooks, NOW, SETTINGS) is silent


def test_what_comes_later_does_not_end_an_earlier_silence() -> None:
    """A tick that is run again finds what it found."""
    assert conditions.silence(busy(25 * HOUR) | hours((-HOUR, 5)), NOW, SETTINGS)


def test_zero_switches_a_condition_off() -> None:
    """And no other."""
    off = Spikes(
        failures_in_15_minutes=0, failures_in_an_hour=0, cancels_in_an_hour=0, manual_credits_in_10_minutes=0
    )
    much = recent(
        *(
            each
            for name in ("failed_attempt", "left_voluntarily", "manual_credit")
            for each in kpi(name, NOW - MINUTE, 99)
        )
    )
    for condition in (conditions.failure_spike, conditions.cancel_spike, conditions.manual_credits):
        assert condition(much, SETTINGS)
        assert not condition(much, off)
    assert not conditions.silence(busy(25 * HOUR), NOW, Spikes(silence_hours=0))
    only = Spikes(failures_in_15_minutes=0, failure_share=Decimal("0.5"))
    assert conditions.failure_spike(much, only)
