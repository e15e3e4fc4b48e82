"""The parts of `relay status`: windows of the log, what counts as a delivery, ages and the order of incidents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from relay.model.effects import Level
from relay.model.incident import Incident
from relay_cli.commands.status import as_text
from relay_cli.output import age_text
from relay_cli.overview.deliveries import UNPLACED, DeliveryCounter, accepted_topic, windows
from relay_cli.overview.incidents import incident_blocks, incident_rows
from relay_cli.overview.queues import ages_queries

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize("hours", [1, 2, 24, 25, 72])
def test_windows(hours: int) -> None:
    """Together they are the whole time, newest first, without a gap and without an overlap."""
    found = list(windows(NOW, timedelta(hours=hours)))
    assert found[0][1] == NOW
    assert found[-1][0] == NOW - timedelta(hours=hours)
    assert all(newer[0] == older[1] for newer, older in pairwise(found))


@pytest.mark.parametrize(
    ("line", "topic"),
    [
        ({"message": "accepted", "topic": "customer.cancelled", "reason": None}, "customer.cancelled"),
        ({"message": "accepted", "topic": "customer.cancelled", "reason": "other_shop"}, UNPLACED),
        ({"message": "accepted", "topic": None, "reason": "not_json"}, UNPLACED),
        ({"message": "accepted", "topic": "relay.probe"}, None),
        ({"message": "applied", "topic": "customer.cancelled"}, None),
        (["accepted"], None),
        ("accepted", None),
    ],
)
def test_what_is_a_delivery(line: object, topic: str | None) -> None:
    """The receiver's line alone; a probe is none; what was not placed counts apart."""
    assert accepted_topic(json.dumps(line)) == topic
    assert accepted_topic("START RequestId accepted") is None


def test_a_log_that_takes_too_long() -> None:
    """What was read is exact, and says how far back it goes."""
    clock = iter([0.0, 1.0, 5.0, 30.0])
    read: list[tuple[datetime, datetime]] = []

    def lines(begin: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
        read.append((begin, end))
        yield end, json.dumps({"message": "accepted", "topic": "customer.updated"})

    counter = DeliveryCounter(lines, seconds=20.0, monotonic=lambda: next(clock))
    found = counter.count(NOW, timedelta(hours=24), lambda *_: None)
    assert len(read) == 2
    assert (found.counts, found.complete) == ({"customer.updated": 2}, False)
    assert found.since == NOW - timedelta(hours=3)
    assert found.last["customer.updated"] == NOW


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_600, "1 h 0 min"), (90_061, "1 d 1 h"), (-5, "0 s")],
)
def test_ages(seconds: float, text: str) -> None:
    """In the two largest units."""
    assert age_text(seconds) == text


def test_the_metrics_that_are_read() -> None:
    """Every query has an id of its own that CloudWatch takes: a letter first, no hyphen."""
    queries = ages_queries("relay-acme", ["dead-letters", "alerts"], ["hubspot"])
    ids = [query["Id"] for query in queries]
    assert len(set(ids)) == len(ids) == 4
    assert all(each.isidentifier() and each.islower() for each in ids)


@pytest.mark.parametrize(
    ("key", "title", "customer"),
    [
        ("cancel:acme.myshopify.com:77:2027-09-30", "A member is going to leave on Thu 30 Sep 2027", "77"),
        ("cancel:acme.myshopify.com:77:unknown", "A member is going to leave", "77"),
        ("dun:acme.myshopify.com:77", "A payment of a member failed, and is tried again", "77"),
        ("reconcile:acme.myshopify.com", "reconcile:acme.myshopify.com", None),
    ],
)
def test_an_incident_of_which_nobody_was_told_has_words(key: str, title: str, customer: str | None) -> None:
    """An open one at level info is told of in the digest alone: its key says what it is, and of which member."""
    incident = Incident(key=key, active=True, level=Level.INFO, opened_at=NOW - timedelta(days=2))
    [row] = incident_rows([incident], NOW)
    assert (row["incident"], row["customer"]) == (key, customer)
    first, second = incident_blocks([row]).splitlines()
    # `relay alerts` has the key in the last line, and there alone.
    block = incident_blocks([row], {key: ""})
    assert (block.count(key), block.splitlines()[-1].strip()) == (1, key)
    assert first == f"info  {title}"
    assert (f"customer {customer}" in second) is (customer is not None)
    assert row["link"] == (f"https://admin.shopify.com/store/acme/customers/{customer}" if customer else None)


@pytest.mark.parametrize(("age", "says"), [(None, True), (7_500, False)])
def test_an_age_that_was_not_measured_is_said(age: float | None, says: bool) -> None:  # noqa: FBT001 - a table's column
    """A `-` beside a message that is old reads as a fault."""
    row = {
        "queue": "dead-letters",
        "waiting": 1,
        "deferred": 0,
        "in_flight": 0,
        "oldest_seconds": age,
        "why": None,
    }
    value: dict[str, Any] = {
        "stack": "relay",
        "state": "UPDATE_COMPLETE",
        "failed": {"deliveries": "x", "incidents": "x"},
        "deliveries": None,
        "incidents": None,
        "waiting": {"queues": [row], "oldest_deferred_seconds": None},
        "crms": [],
    }
    assert ("CloudWatch has no age of these queues" in as_text(value, NOW)) is says
