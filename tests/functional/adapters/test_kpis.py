"""The table `figures` in DynamoDB: KPI events are stored once and found by time; the daily run has one writer at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.kpis import DynamoDailyRunStore, DynamoKpiStore
from relay.errors import ConflictError, MisconfiguredError, TransientError
from relay.model.kpis import DailyTotals, KpiEvent, Total
from relay.ports.scans import DailyRun

from tests.support.aws.boto_manner import boto_manner
from tests.support.moto_tables import make_table
from tests.support.port_fakes import NOW, SHOP

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = datetime(2025, 7, 2, tzinfo=UTC)


@pytest.fixture
def table() -> str:
    """Return the name of an empty table."""
    return make_table("figures")


@pytest.fixture
def kpis(table: str) -> DynamoKpiStore:
    return DynamoKpiStore(table, SHOP, lambda: NOW)


def one(number: int, at: datetime, **more: Any) -> KpiEvent:
    return KpiEvent(
        id=f"{number:032x}.rule.payment", at=at, member=f"{SHOP}:{number}", name="payment", **more
    )


def items() -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = client("dynamodb").scan(TableName="figures")["Items"]
    return found


def test_what_is_stored_is_found(kpis: DynamoKpiStore) -> None:
    """With and without amount and currency, to the last digit; more than one call takes; the oldest first."""
    kept = [one(number, NOW - number * HOUR) for number in range(60)]
    kept[0] = one(0, NOW, amount=Decimal("12345678901234567890123456789012345678901234.5678"), currency="USD")
    assert kpis.put(kept) == [None] * 60
    assert list(kpis.between(NOW - 5 * DAY, NOW + HOUR)) == kept[::-1]


def test_an_event_is_stored_once(kpis: DynamoKpiStore) -> None:
    """In one call, and in two: a crash between the write and its acknowledgement counts nothing twice."""
    kpis.put([one(1, NOW), one(1, NOW), one(2, NOW)])
    kpis.put([one(1, NOW)])
    assert [event.id for event in kpis.between(NOW, NOW + HOUR)] == [one(1, NOW).id, one(2, NOW).id]


def test_the_time_asked_for_includes_its_beginning_and_not_its_end(kpis: DynamoKpiStore) -> None:
    """Over the boundary of two days as well: each event is in one day alone."""
    moments = [MIDNIGHT - HOUR, MIDNIGHT - timedelta(milliseconds=1), MIDNIGHT, MIDNIGHT + HOUR]
    kpis.put([one(number, at) for number, at in enumerate(moments)])
    assert [each.at for each in kpis.between(MIDNIGHT - HOUR, MIDNIGHT)] == moments[:2]
    assert [each.at for each in kpis.between(MIDNIGHT, MIDNIGHT + HOUR)] == moments[2:3]
    assert [each.at for each in kpis.between(MIDNIGHT - HOUR, MIDNIGHT + 2 * HOUR)] == moments


def test_another_shops_events_are_its_own(kpis: DynamoKpiStore, table: str) -> None:
    """Though they are in one table."""
    DynamoKpiStore(table, "other.myshopify.com", lambda: NOW).put([one(1, NOW)])
    assert list(kpis.between(NOW - DAY, NOW + DAY)) == []


def test_events_expire_by_the_wall_clock(kpis: DynamoKpiStore) -> None:
    """40 days after they were written; an event that is old when it comes is kept as long."""
    kpis.put([one(1, NOW - 300 * DAY)])
    kpis.add_webhooks({NOW - 300 * DAY: 1})
    expected = str(int((NOW + 40 * DAY).timestamp()))
    assert [item["expires"]["N"] for item in items()] == [expected] * 2


def test_hours_add_up(kpis: DynamoKpiStore) -> None:
    """And are found by the hour, the last one excluded."""
    noon = NOW.replace(minute=0)
    kpis.add_webhooks({noon: 2, noon - HOUR: 1})
    kpis.add_webhooks({noon: 3})
    assert kpis.webhooks(noon - DAY, noon + HOUR) == {noon - HOUR: 1, noon: 5}
    assert kpis.webhooks(noon - DAY, noon) == {noon - HOUR: 1}


def test_many_events_of_one_day(kpis: DynamoKpiStore) -> None:
    """More than one answer of the table holds."""
    long = "x" * 900
    kept = [replace(one(number, NOW), member=f"{SHOP}:{long}") for number in range(1_200)]
    kpis.put(kept)
    assert sum(1 for _ in kpis.between(NOW, NOW + HOUR)) == 1_200


class Throttled:
    """A table that takes the first of each call and leaves the rest."""

    def __init__(self) -> None:
        self.calls = 0

    def batch_write_item(self, RequestItems: Mapping[str, list[Any]]) -> Mapping[str, Any]:  # noqa: N803 - boto's name
        self.calls += 1
        return {"UnprocessedItems": {name: left[1:] for name, left in RequestItems.items() if left[1:]}}


def test_what_the_table_leaves_is_tried_again_and_then_refused(table: str) -> None:
    """By its own entry: the others are kept."""
    dynamodb = Throttled()
    throttled = DynamoKpiStore(table, SHOP, lambda: NOW, boto_manner(dynamodb))
    answers = throttled.put([one(number, NOW) for number in range(5)])
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [TransientError] * 2
    assert dynamodb.calls == 3


def test_without_a_table_all_are_refused() -> None:
    """And a query raises."""
    lost = DynamoKpiStore("nowhere", SHOP, lambda: NOW)
    [answer] = lost.put([one(1, NOW)])
    assert isinstance(answer, MisconfiguredError)
    with pytest.raises(MisconfiguredError):
        list(lost.between(NOW, NOW + HOUR))


RUN = DailyRun(
    day=date(2026, 3, 1),
    begin=NOW,
    end=NOW + DAY,
    digest_day=date(2026, 2, 27),
    phase="sync_states",
    cursor="sync#hubspot#1",
    told=("hubspot:not-taken:ERROR",),
    totals=DailyTotals(
        at_risk=Total(number=2, amounts={"USD": Decimal("9.90")}), mirrors={"hubspot": {"mirrored": 3}}
    ),
)


def test_a_run_comes_back_as_it_was(table: str) -> None:
    """With its sums, to the cent."""
    runs = DynamoDailyRunStore(table, SHOP)
    assert runs.load() is None
    runs.save(RUN)
    assert runs.load() == replace(RUN, version=1)


def test_two_ticks_write_on_top_of_what_they_read(table: str) -> None:
    """The second one gets a conflict, whether the run is new or not."""
    runs = DynamoDailyRunStore(table, SHOP)
    runs.save(RUN)
    with pytest.raises(ConflictError):
        runs.save(RUN)
    runs.save(replace(RUN, version=1))
    with pytest.raises(ConflictError):
        runs.save(replace(RUN, version=1))


def test_a_run_that_cannot_be_read_waits(table: str) -> None:
    """In the middle of a deployment an older function may find what newer code has written."""
    runs = DynamoDailyRunStore(table, SHOP)
    client("dynamodb").put_item(
        TableName=table,
        Item={
            "pk": {"S": f"daily_run#{SHOP}"},
            "sk": {"S": "run"},
            "version": {"N": "1"},
            "document": {"S": "{}"},
        },
    )
    with pytest.raises(TransientError, match="cannot be read"):
        runs.load()
