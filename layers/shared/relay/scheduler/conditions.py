"""When failures, cancellations, manual credits or silence concern the programme and not one member. Pure.

Each condition is told as 0 or 1 at every tick; when a person hears of it, and when it is over, is
decided by CloudWatch's alarms. What is usual is looked up in the figures of the days before, at the same
hour: a programme that bills at midnight has its failures at midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from relay.model.kpis import KpiEvent
from relay.rules.settings import Spikes

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
BASELINE_DAYS: Final = 7
SILENCE_DAYS: Final = 14
_TICK: Final = timedelta(minutes=15)
_MANUAL_CREDITS_WITHIN: Final = timedelta(minutes=10)

CANCELS: Final = frozenset({"left_voluntarily", "left_involuntarily", "left_by_merchant"})
"""What counts as a cancellation. A request to leave is none yet: until it takes effect it can be undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentEvents:
    """The figures of the hour before a tick, and of the same hour on each of the days before."""

    at: datetime
    hour: Sequence[KpiEvent]
    usual: Sequence[Sequence[KpiEvent]]


def windows(at: datetime) -> Sequence[tuple[datetime, datetime]]:
    """Return the hours that `RecentEvents` is made of, the tick's own first."""
    return [(at - days * DAY - HOUR, at - days * DAY) for days in range(BASELINE_DAYS + 1)]


def failure_spike(lately: RecentEvents, settings: Spikes) -> bool:
    """Tell whether too many attempts at a fee fail: many within minutes, or an unusual share of an hour's."""
    failures = [figure.at for figure in lately.hour if figure.name == "failed_attempt"]
    if settings.failures_in_15_minutes:
        # A burst does not begin when the clock ticks: any 15 minutes count that ended since the last tick.
        recent = [moment for moment in failures if moment > lately.at - 2 * _TICK]
        if _most_within(_TICK, recent) >= settings.failures_in_15_minutes:
            return True
    if not settings.failures_in_an_hour or len(failures) < settings.failures_in_an_hour:
        return False
    usual = _failure_share(figure for hour in lately.usual for figure in hour)
    return _failure_share(lately.hour) > max(settings.failure_share, usual)


def cancel_spike(lately: RecentEvents, settings: Spikes) -> bool:
    """Tell whether more members left within the hour than is usual at this time of day."""
    if not settings.cancels_in_an_hour:
        return False
    usual = Decimal(sum(_cancels(hour) for hour in lately.usual)) / BASELINE_DAYS
    least = max(Decimal(settings.cancels_in_an_hour), settings.cancels_times_usual * usual)
    return _cancels(lately.hour) >= least


def manual_credits(lately: RecentEvents, settings: Spikes) -> bool:
    """Tell whether credits are being changed by hand again and again: a slip, or somebody who should not."""
    if not settings.manual_credits_in_10_minutes:
        return False
    since = lately.at - _TICK - _MANUAL_CREDITS_WITHIN
    recent = [figure.at for figure in lately.hour if figure.name == "manual_credit" and figure.at > since]
    return _most_within(_MANUAL_CREDITS_WITHIN, recent) > settings.manual_credits_in_10_minutes


def silence(heard: Mapping[datetime, int], at: datetime, settings: Spikes) -> bool:
    """Tell whether no webhook came for too long to a programme that usually has several a day.

    `heard` counts by the hour. What is usual is the median of the fourteen days that ended with the last
    webhook, so that a silence of weeks does not become the usual thing; give it all hours that are kept.
    """
    last = max((hour for hour, number in heard.items() if number and hour <= at), default=None)
    if not settings.silence_hours or last is None:
        return False
    end = last + HOUR
    if at - end < timedelta(hours=settings.silence_hours):
        return False
    days = [0] * SILENCE_DAYS
    for hour, number in heard.items():
        back = (end - hour - HOUR) // DAY
        if 0 <= back < SILENCE_DAYS:
            days[back] += number
    return median(days) >= settings.silence_from_events_a_day


def _failure_share(figures: Iterable[KpiEvent]) -> Decimal:
    names = [figure.name for figure in figures]
    failed, paid = names.count("failed_attempt"), names.count("payment")
    return Decimal(failed) / (failed + paid) if failed else Decimal(0)


def _cancels(figures: Iterable[KpiEvent]) -> int:
    return sum(figure.name in CANCELS for figure in figures)


def _most_within(span: timedelta, moments: Iterable[datetime]) -> int:
    """Return how many of the moments lie within the fullest such span."""
    times, most, first = sorted(moments), 0, 0
    for last, moment in enumerate(times):
        while moment - times[first] >= span:
            first += 1
        most = max(most, last - first + 1)
    return most
