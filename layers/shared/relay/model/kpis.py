"""The programme's figures: what was counted, when, of whom, so that a day and a spike can be told.

A figure is an event's and not a sum: sums that are added up as events come would count a redelivery twice.
They are kept for some weeks, one small item each; most events have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from relay.model.effects import Kpi, effect_id
from relay.model.messages import EventEffects, Outbox

KEPT_FOR: Final = timedelta(days=40)
"""Longer than the longest baseline, and than a month that somebody wants to look back on."""

NO_CURRENCY: Final = ""
"""Under which amounts are summed whose event told no currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiEvent:
    """One figure as it is kept: `id` is its effect's and its name's, `at` the event's time, `member` a key.

    `name` is one of `effects.FigureName`, or one that newer code counts.
    """

    id: str
    at: datetime
    member: str
    name: str
    amount: Decimal | None = None
    currency: str | None = None


def kpi_events(outbox: Outbox) -> Iterator[KpiEvent]:
    """Yield what a write of a member's record has to count."""
    for event_effects in outbox.events:
        for effect in event_effects.effects:
            if isinstance(effect, Kpi):
                yield _counted(outbox.member, event_effects, effect)


def _counted(member: str, event_effects: EventEffects, figure: Kpi) -> KpiEvent:
    # The name takes part: one rule may count two things of one event, such as a joining and a paid one.
    return KpiEvent(
        id=f"{effect_id(event_effects.event_id, figure)}.{figure.name}",
        at=event_effects.at,
        member=member,
        name=figure.name,
        amount=figure.amount,
        currency=figure.currency,
    )


def writes_by_hour(outboxes: Iterable[Outbox]) -> Mapping[datetime, int]:
    """Return how many writes followed from webhooks, by the hour (UTC) of the newest one behind each.

    For alert_message silence from business, and nothing else: writes and not webhooks are counted, and those
    that the stream hands out again are counted again. A figure for every webhook would be exact and cost
    more than all the rest of the fan-out; this is one small update an hour and batch.
    """
    hours: dict[datetime, int] = {}
    for outbox in outboxes:
        if outbox.newest_webhook_at:
            hour = whole_hour(outbox.newest_webhook_at)
            hours[hour] = hours.get(hour, 0) + 1
    return hours


def whole_hour(moment: datetime) -> datetime:
    """Return the beginning of a moment's hour (UTC)."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many there were, and their amounts added up by currency (`NO_CURRENCY` where none was told)."""

    number: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, figures: Iterable[KpiEvent]) -> Total:
        """Add figures up."""
        total = cls()
        for figure in figures:
            total = total.plus(figure.amount, figure.currency)
        return total

    def plus(self, amount: Decimal | None, currency: str | None) -> Total:
        """Return the sum with one more in it; it counts, whether it has an amount or not."""
        if not amount:
            return replace(self, number=self.number + 1)
        key = currency or NO_CURRENCY
        amounts = {**self.amounts, key: self.amounts.get(key, Decimal(0)) + amount}
        return Total(number=self.number + 1, amounts=amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyTotals:
    """What a round has found so far: sums over members, and members by state for each CRM."""

    at_risk: Total = field(default_factory=Total)
    expiring: Total = field(default_factory=Total)
    renewing: Total = field(default_factory=Total)
    mirrors: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def with_mirrors(self, states: Iterable[tuple[str, str]]) -> DailyTotals:
        """Return the tally with more mirrors, each as its CRM's name and a state or reason."""
        mirrors = {target: dict(counts) for target, counts in self.mirrors.items()}
        for target, state in states:
            counts = mirrors.setdefault(target, {})
            counts[state] = counts.get(state, 0) + 1
        return replace(self, mirrors=mirrors)
