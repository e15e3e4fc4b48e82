"""The figures table, in DynamoDB: kept once, found by time, and a round that nobody overwrites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.kpis import DynamoDailyRuns, DynamoKpis
from relay.errors import ConflictError, MisconfiguredError, TransientError
from relay.model.kpis import DailyTotals, KpiEvent, Total
from relay.ports.scans import Round

from tests.support.moto_tables import make_table
from tests.support.port_fakes import NOW, SHOP

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = datetime(2025, 7, 2, tzinfo=UTC)


@pytest.fixture
def table() -> str:
    """Return the name of an empty table."""
    return make_table("figures")


@pytest.fixture
def figures(table: str) -> DynamoKpis:
    return DynamoKpis(table, SHOP, lambda: NOW)


def one(number: int, at: datetime, **more: Any) -> KpiEvent:
    return KpiEvent(
        id=f"{number:032x}.rule.payment", at=at, member=f"{SHOP}:{number}", name="payment", **more
    )


def items() -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = client("dynamodb").scan(TableName="figures")["Items"]
    return found


def test_what_is_kept_is_found(figures: DynamoKpis) -> None:
    """With and without amount and currency, to the last digit; more than one call takes; the oldest first."""
    kept = [one(number, NOW - number * HOUR) for number in range(60)]
    kept[0] = one(0, NOW, amount=Decimal("12345678901234567890123456789012345678901234.5678"), currency="USD")
    assert figures.keep(kept) == [None] * 60
    assert list(figures.between(NOW - 5 * DAY, NOW + HOUR)) == kept[::-1]


def test_a_figure_is_kept_once(figures: DynamoKpis) -> None:
    """In one call, and in two: a crash between the write and its acknowledgement counts nothing twice."""
    figures.keep([one(1, NOW), one(1, NOW), one(2, NOW)])
    figures.keep([one(1, NOW)])
    assert [figure.id for figure in figures.between(NOW, NOW + HOUR)] == [one(1, NOW).id, one(2, NOW).id]


def test_the_time_asked_for_includes_its_beginning_and_not_its_end(figures: DynamoKpis) -> None:
    """Over the boundary of two days as well: each figure is in one day alone."""
    moments = [MIDNIGHT - HOUR, MIDNIGHT - timedelta(milliseconds=1), MIDNIGHT, MIDNIGHT + HOUR]
    figures.keep([one(number, at) for number, at in enumerate(moments)])
    assert [each.at for each in figures.between(MIDNIGHT - HOUR, MIDNIGHT)] == moments[:2]
    assert [each.at for each in figures.between(MIDNIGHT, MIDNIGHT + HOUR)] == moments[2:3]
    assert [each.at for each in figures.between(MIDNIGHT - HOUR, MIDNIGHT + 2 * HOUR)] == moments


def test_another_shops_figures_are_its_own(figures: DynamoKpis, table: str) -> None:
    """Though they are in one table."""
    DynamoKpis(table, "other.myshopify.com", lambda: NOW).keep([one(1, NOW)])
    assert list(figures.between(NOW - DAY, NOW + DAY)) == []


def test_figures_are_forgotten_by_the_wall_clock(figures: DynamoKpis) -> None:
    """40 days after they were written; what is old when it comes is still worth a look."""
    figures.keep([one(1, NOW - 300 * DAY)])
    figures.hear({NOW - 300 * DAY: 1})
    expected = str(int((NOW + 40 * DAY).timestamp()))
    assert [item["expires"]["N"] for item in items()] == [expected] * 2


def test_hours_add_up(figures: DynamoKpis) -> None:
    """And are found by the hour, the last one excluded."""
    noon = NOW.replace(minute=0)
    figures.hear({noon: 2, noon - HOUR: 1})
    figures.hear({noon: 3})
    assert figures.heard(noon - DAY, noon + HOUR) == {noon - HOUR: 1, noon: 5}
    assert figures.heard(noon - DAY, noon) == {noon - HOUR: 1}


def test_many_figures_of_one_day(figures: DynamoKpis) -> None:
    """More than one answer of the table holds."""
    long = "x" * 900
    kept = [replace(one(number, NOW), member=f"{SHOP}:{long}") for number in range(1_200)]
    figures.keep(kept)
    assert sum(1 for _ in figures.between(NOW, NOW + HOUR)) == 1_200


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
    throttled = DynamoKpis(table, SHOP, lambda: NOW, dynamodb)
    answers = throttled.keep([one(number, NOW) for number in range(5)])
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [TransientError] * 2
    assert dynamodb.calls == 3


def test_without_a_table_all_are_refused() -> None:
    """And whoever asks is told."""
    lost = DynamoKpis("nowhere", SHOP, lambda: NOW)
    [answer] = lost.keep([one(1, NOW)])
    assert isinstance(answer, MisconfiguredError)
    with pytest.raises(MisconfiguredError):
        list(lost.between(NOW, NOW + HOUR))


ROUND = Round(
    day=date(2026, 3, 1),
    begin=NOW,
    end=NOW + DAY,
    told=date(2026, 2, 27),
    part="mirrors",
    after="hubspot#1",
    tally=DailyTotals(
        at_risk=Total(number=2, amounts={"USD": Decimal("9.90")}), mirrors={"hubspot": {"mirrored": 3}}
    ),
)


def test_a_round_comes_back_as_it_was(table: str) -> None:
    """With its sums, to the cent."""
    rounds = DynamoDailyRuns(table, SHOP)
    assert rounds.load() is None
    rounds.save(ROUND)
    assert rounds.load() == replace(ROUND, version=1)


def test_two_ticks_write_on_top_of_what_they_read(table: str) -> None:
    """The second one is told, be the round new or not."""
    rounds = DynamoDailyRuns(table, SHOP)
    rounds.save(ROUND)
    with pytest.raises(ConflictError):
        rounds.save(ROUND)
    rounds.save(replace(ROUND, version=1))
    with pytest.raises(ConflictError):
        rounds.save(replace(ROUND, version=1))


def test_a_round_that_cannot_be_read_waits(table: str) -> None:
    """In the middle of a deployment an older function may find what newer code has written."""
    rounds = DynamoDailyRuns(table, SHOP)
    client("dynamodb").put_item(
        TableName=table,
        Item={
            "pk": {"S": f"{SHOP}#clock"},
            "sk": {"S": "round"},
            "version": {"N": "1"},
            "round": {"S": "{}"},
        },
    )
    with pytest.raises(TransientError, match="cannot be read"):
        rounds.load()
