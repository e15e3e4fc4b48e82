"""Conditions of the whole programme: spikes of failures, cancellations or manual credits, and silence. Pure.

Each condition is measured as 0 or 1 at every tick; CloudWatch's alarms decide when people are alerted, and when
it is over. What is usual comes from the KPI events of the days before, at the same hour: a programme that bills
at midnight has its failures at midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from relay.model.kpis import KpiEvent
from relay.model.metrics import CANCEL_SPIKE, FAILURE_SPIKE, MANUAL_CREDITS, SILENCE, Metric
from relay.rules.settings import Spikes

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
BASELINE_DAYS: Final = 7
SILENCE_DAYS: Final = 14
_TICK: Final = timedelta(minutes=15)
_MANUAL_CREDITS_WITHIN: Final = timedelta(minutes=10)

CANCELS: Final = frozenset(
    {"left_voluntarily", "left_involuntarily", "left_by_merchant", "left_for_unknown_reason"}
)
"""What counts as a cancellation. A request to leave is none yet: it can be undone until it takes effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentEvents:
    """The KPI events of the hour before a tick, and of the same hour on each of the days before."""

    at: datetime
    hour: Sequence[KpiEvent]
    usual: Sequence[Sequence[KpiEvent]]


def windows(at: datetime) -> Sequence[tuple[datetime, datetime]]:
    """Return the hours that `RecentEvents` is made of, the tick's own first."""
    return [(at - days * DAY - HOUR, at - days * DAY) for days in range(BASELINE_DAYS + 1)]


def evaluate(
    recent: RecentEvents, webhooks: Mapping[datetime, int], settings: Spikes
) -> Mapping[Metric, bool]:
    """Return whether each condition holds, by its metric; `webhooks` counts by the hour, for all hours that are kept."""
    return {
        FAILURE_SPIKE: failure_spike(recent, settings),
        CANCEL_SPIKE: cancel_spike(recent, settings),
        MANUAL_CREDITS: manual_credits(recent, settings),
        SILENCE: silence(webhooks, recent.at, settings),
    }


def failure_spike(recent: RecentEvents, settings: Spikes) -> bool:
    """Return whether too many attempts at a fee fail: many within minutes, or an unusual share of an hour's."""
    failures = [event.at for event in recent.hour if event.name == "failed_attempt"]
    if settings.failures_in_15_minutes:
        # A burst does not begin when the clock ticks: any 15 minutes count that ended since the last tick.
        latest = [moment for moment in failures if moment > recent.at - 2 * _TICK]
        if _most_within(_TICK, latest) >= settings.failures_in_15_minutes:
            return True
    if not settings.failures_in_an_hour or len(failures) < settings.failures_in_an_hour:
        return False
    usual = _failure_share(event for hour in recent.usual for event in hour)
    return _failure_share(recent.hour) > max(settings.failure_share, usual)


def cancel_spike(recent: RecentEvents, settings: Spikes) -> bool:
    """Return whether more members left within the hour than is usual at this time of day."""
    if not settings.cancels_in_an_hour:
        return False
    usual = Decimal(sum(_cancels(hour) for hour in recent.usual)) / BASELINE_DAYS
    least = max(Decimal(settings.cancels_in_an_hour), settings.cancels_times_usual * usual)
    return _cancels(recent.hour) >= least


def manual_credits(recent: RecentEvents, settings: Spikes) -> bool:
    """Return whether credits are changed by hand again and again: by mistake, or without permission."""
    if not settings.manual_credits_in_10_minutes:
        return False
    since = recent.at - _TICK - _MANUAL_CREDITS_WITHIN
    changes = [event.at for event in recent.hour if event.name == "manual_credit" and event.at > since]
    return _most_within(_MANUAL_CREDITS_WITHIN, changes) > settings.manual_credits_in_10_minutes


def silence(webhooks: Mapping[datetime, int], at: datetime, settings: Spikes) -> bool:
    """Return whether no webhook came for too long to a programme that usually has several a day.

    `webhooks` counts by the hour, for all hours that are kept. What is usual is the median of the fourteen days
    that ended with the last webhook, so that a silence of weeks does not become usual.
    """
    last = max((hour for hour, number in webhooks.items() if number and hour <= at), default=None)
    if not settings.silence_hours or last is None:
        return False
    end = last + HOUR
    if at - end < timedelta(hours=settings.silence_hours):
        return False
    days = [0] * SILENCE_DAYS
    for hour, number in webhooks.items():
        back = (end - hour - HOUR) // DAY
        if 0 <= back < SILENCE_DAYS:
            days[back] += number
    return median(days) >= settings.silence_from_events_a_day


def _failure_share(events: Iterable[KpiEvent]) -> Decimal:
    names = [event.name for event in events]
    failed, paid = names.count("failed_attempt"), names.count("payment")
    return Decimal(failed) / (failed + paid) if failed else Decimal(0)


def _cancels(events: Iterable[KpiEvent]) -> int:
    return sum(event.name in CANCELS for event in events)


def _most_within(span: timedelta, moments: Iterable[datetime]) -> int:
    """Return how many of the moments lie within the fullest such span."""
    times, most, first = sorted(moments), 0, 0
    for last, moment in enumerate(times):
        while moment - times[first] >= span:
            first += 1
        most = max(most, last - first + 1)
    return most
