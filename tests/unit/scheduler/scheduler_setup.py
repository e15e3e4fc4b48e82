"""Members, KPI events and ticks of a shop in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from relay.model.facts import Facts, Lot
from relay.model.member import Member, merge

from tests.support.port_fakes import SHOP, FakeContext
from tests.support.scheduler_fakes import SchedulerSetup, kpi

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
"""When the run of 1 March is due in London."""

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


def busy(setup: SchedulerSetup, until: datetime) -> None:
    """Let one member join at every full hour, from two days before the start."""
    for hour in range(-48, (until - START) // HOUR):
        for each in kpi("joined", START + hour * HOUR):
            setup.kpis.kept[each.id] = each


def play_ticks(setup: SchedulerSetup, *ticks: datetime, millis: int = 60_000) -> None:
    for at in ticks:
        setup.daily().advance(at, FakeContext(millis))
