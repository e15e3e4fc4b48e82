"""The daily run tells people that a CRM does not take its members, and that the version of its API ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from relay.model.kpis import API_ENDS, DailyTotals
from relay.model.messages import AlertMessage, load
from relay.scheduler.crm_alerts import crm_alerts

from tests.support.scheduler_fakes import SchedulerSetup
from tests.unit.scheduler.scheduler_setup import HOUR, START, play_ticks

SHOP = "acme.myshopify.com"
DAY = date(2026, 11, 22)
DAY_LONG = timedelta(days=1)
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


def told(counts: dict[str, int], before: tuple[str, ...] = (), day: date = DAY) -> list[tuple[str, str, str]]:
    """Return what is told of these states of HubSpot's members: action, level and title."""
    alerts, _ = crm_alerts(DailyTotals(mirrors={"hubspot": counts}), before, shop=SHOP, day=day, at=AT)
    return [(each.alert.action, each.alert.level.name, each.alert.title) for each in alerts]


@pytest.mark.parametrize(
    ("counts", "is_told"),
    [
        ({"mirrored": 500, "waiting": 11}, True),
        ({"mirrored": 500, "refused": 11}, True),
        ({"mirrored": 500, "waiting": 6, "refused": 5}, True),
        ({"waiting": 11}, True),
        ({"mirrored": 5, "waiting": 10}, False),  # ten and fewer are no matter of the CRM
        ({"mirrored": 1_089, "waiting": 11}, False),  # exactly one in a hundred
        ({"mirrored": 1_088, "waiting": 11}, True),
        ({"mirrored": 500, "no_email": 400}, False),
        ({}, False),
    ],
)
def test_more_than_one_in_a_hundred_and_ten(counts: dict[str, int], is_told: bool) -> None:  # noqa: FBT001 - a table's column
    """A rising share of members that wait or are refused is an error, with figures."""
    assert bool(told(counts)) is is_told


def test_what_is_told_of_members_that_are_not_taken() -> None:
    """How many of how many, and the command that names them; told once, and once more when it is over."""
    counts = {"mirrored": 1_500, "waiting": 40, "refused": 2}
    totals = DailyTotals(mirrors={"hubspot": counts})
    [alert], now = crm_alerts(totals, (), shop=SHOP, day=DAY, at=AT)
    assert alert.alert.title == "HubSpot does not take 42 of 1,542 members"
    assert alert.alert.incident_key == f"inv:{SHOP}:hubspot:not-taken"
    assert "relay mirror status hubspot --who" in alert.alert.advice
    assert "relay mirror retry hubspot" in alert.alert.advice
    assert told(counts, now) == []
    assert told({"mirrored": 1_542}, now) == [("resolve", "WARNING", "HubSpot takes its members again")]
    healed, _ = crm_alerts(DailyTotals(), now, shop=SHOP, day=DAY, at=AT)
    assert [each.alert.incident_key for each in healed] == [alert.alert.incident_key]


def test_a_version_that_will_end_is_told_in_time() -> None:
    """Half a year before as a warning, a month before as an error, with the date and the setting; over with a newer one."""
    counts = {"mirrored": 9, f"{API_ENDS}2027-09-01": 1}
    assert told(counts, day=date(2027, 3, 1)) == []
    early = told(counts, day=date(2027, 3, 5))
    assert early == [("open", "WARNING", "HubSpot ends the version of its API that is set on 2027-09-01")]
    totals = DailyTotals(mirrors={"hubspot": counts})
    [alert], now = crm_alerts(totals, (), shop=SHOP, day=date(2027, 3, 5), at=AT)
    assert "HubSpotVersion" in alert.alert.advice
    assert told(counts, now, day=date(2027, 4, 1)) == []
    assert [each[:2] for each in told(counts, now, day=date(2027, 8, 2))] == [("open", "ERROR")]
    assert [each[0] for each in told({"mirrored": 9}, now)] == ["resolve"]


def test_a_repetition_has_the_same_id() -> None:
    """A run that is made again after a crash tells no one twice."""
    totals = DailyTotals(mirrors={"klaviyo": {"waiting": 50}})
    first, _ = crm_alerts(totals, (), shop=SHOP, day=DAY, at=AT)
    again, _ = crm_alerts(totals, (), shop=SHOP, day=DAY, at=AT)
    assert [each.id for each in first] == [each.id for each in again]


def test_the_daily_run_tells_once_and_when_it_is_over() -> None:
    """With the day's digest, through the notifier's queue; the next day's run remembers what was told."""
    setup = SchedulerSetup()
    waiting = [("hubspot", "waiting")] * 12 + [("hubspot", "mirrored")] * 100
    found: list[list[tuple[str, str]]] = []
    for number, states in enumerate((waiting, waiting, [("hubspot", "mirrored")] * 112, [])):
        setup.mirrored[:] = states
        before = len(setup.alerts.sent)
        play_ticks(setup, START + number * DAY_LONG - HOUR, START + number * DAY_LONG)
        bodies = [each for each in setup.alerts.sent[before:] if each.header.topic == "relay.daily"]
        alerts = [load(AlertMessage, each.body).alert for each in bodies]
        found.append([(each.action, each.rule) for each in alerts])
    rule = "alarm.crm-not-taken"
    assert found == [[("open", rule)], [], [("resolve", rule)], []]
