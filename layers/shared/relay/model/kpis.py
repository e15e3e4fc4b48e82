"""Counts what happens in the programme, for the daily digest, for baselines and for spikes.

Each KPI event belongs to one webhook event and is stored by its id: a running sum would count a redelivery twice.
The table keeps one small item per KPI event for some weeks; most webhook events have none.
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
"""Longer than the longest baseline, and long enough to look back at a month."""

NO_CURRENCY: Final = ""
"""The key of amounts whose event has no currency."""


WITHDRAWN: Final = "withdrawn"
"""The name of what a later arrival denied: it stands where it was counted, and counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiEvent:
    """One thing counted: `id` is made of its effect and its name, `at` is the event's time, `member` the key.

    `name` is one of `effects.KpiName`, or a name that newer code counts.
    """

    id: str
    at: datetime
    member: str
    name: str
    amount: Decimal | None = None
    currency: str | None = None


def kpi_events(outbox: Outbox) -> Iterator[KpiEvent]:
    """Yield the KPI events of one write of a member's record."""
    for event_effects in outbox.events:
        for effect in event_effects.effects:
            if isinstance(effect, Kpi):
                yield _kpi_event(outbox.member, event_effects, effect)


def _kpi_event(member: str, event_effects: EventEffects, kpi: Kpi) -> KpiEvent:
    # The name is part of the id: one rule may count two things of one event.
    return KpiEvent(
        id=f"{effect_id(event_effects.event_id, kpi)}.{kpi.name}",
        at=kpi.at or event_effects.at,
        member=member,
        name=WITHDRAWN if kpi.withdrawn else kpi.name,
        amount=kpi.amount,
        currency=kpi.currency,
    )


def writes_by_hour(outboxes: Iterable[Outbox]) -> Mapping[datetime, int]:
    """Return the number of writes that webhooks caused, by the hour (UTC) of the newest webhook behind each.

    It serves to detect silence and nothing else: it counts writes and not webhooks, and counts a write again that
    the stream delivers again. One item per webhook would be exact and cost more than the rest of the fan-out;
    this is one small update per hour and batch.
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
    """A number of KPI events and the sum of their amounts by currency (`NO_CURRENCY` where an event has none)."""

    number: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[KpiEvent]) -> Total:
        """Return the total of these events."""
        total = cls()
        for event in events:
            total = total.plus(event.amount, event.currency)
        return total

    def plus(self, amount: Decimal | None, currency: str | None) -> Total:
        """Return the total with one more event, which counts with or without an amount."""
        if not amount:
            return replace(self, number=self.number + 1)
        key = currency or NO_CURRENCY
        amounts = {**self.amounts, key: self.amounts.get(key, Decimal(0)) + amount}
        return Total(number=self.number + 1, amounts=amounts)


API_ENDS: Final = "api_ends_"
"""Before the day on which a CRM ends the version of its API that is set, among the states of its members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyTotals:
    """What the daily run has found so far: totals over members, and the number of members by state for each CRM."""

    at_risk: Total = field(default_factory=Total)
    expiring: Total = field(default_factory=Total)
    renewing: Total = field(default_factory=Total)
    mirrors: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def with_mirrors(self, states: Iterable[tuple[str, str]]) -> DailyTotals:
        """Return the totals with more sync states, each given as the CRM's name and a state or reason."""
        mirrors = {target: dict(counts) for target, counts in self.mirrors.items()}
        for target, state in states:
            counts = mirrors.setdefault(target, {})
            counts[state] = counts.get(state, 0) + 1
        return replace(self, mirrors=mirrors)
