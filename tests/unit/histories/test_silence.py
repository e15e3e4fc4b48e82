"""What an event does not say takes back nothing that is known: of the same matter, or in another delivery of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import CUSTOMER, content

Said = tuple[str, float, dict[str, Any]]
END = "2026-03-20T00:00:00.000Z"
TRIAL: Said = ("trial", 1, {"freeTrialEnd": END})


def told(*said: Said) -> Programme:
    """Return the programme after these events, each a day's; a value that is `...` is left out of the body."""
    relay = Programme()
    for name, at, differs in said:
        made = content(name, at, **differs)
        for part in (made["payload"], made["payload"].get("detail") or {}):
            for key in [key for key, value in part.items() if value is ...]:
                del part[key]
        relay.deliver(json.dumps(made).encode(), day(at) + timedelta(seconds=1))
    return relay


@pytest.mark.parametrize("silent", [..., None, "", "soon", "1970-01-01T00:00:00Z"])
@pytest.mark.parametrize("at", [1, 1.5], ids=["in another delivery", "told again"])
def test_the_end_of_a_trial_stays(silent: object, at: float) -> None:
    """The trial is told again without it, by the same event or by another one."""
    for order in permutations([TRIAL, ("trial", at, {"freeTrialEnd": silent})]):
        member = told(*order).member(CUSTOMER)
        assert member.moment("trial_ends_at") == datetime(2026, 3, 20, tzinfo=UTC)
        assert member.status == "trialing"


def test_the_end_of_a_former_trial_is_not_that_of_the_next() -> None:
    """The member paid after the first trial; the second one has no end that is known, and is a trial."""
    happened: list[Said] = [
        TRIAL,
        ("paid", 20, {}),
        ("cancelled", 25, {"tierId": None}),
        ("trial", 30, {"freeTrialEnd": ...}),
    ]
    for order in permutations(happened):
        relay = told(*order)
        assert (relay.member(CUSTOMER).status, relay.shows(CUSTOMER)["trial_ends_at"]) == ("trialing", None)


@pytest.mark.parametrize("silent", [..., None, ""])
def test_an_ending_without_a_source_leaves_the_one_that_was_announced(silent: object) -> None:
    """The member asked to leave; the end itself does not say why."""
    asked: Said = ("pending", 3, {"cancellationSource": "CUSTOMER"})
    for order in permutations([("joined", 1, {}), asked, ("cancelled", 9, {"cancellationSource": silent})]):
        shown = told(*order).shows(CUSTOMER)
        assert (shown["cancel_type"], shown["cancel_reason"]) == ("voluntary", "CUSTOMER")


def test_a_reason_of_another_kind_is_not_taken_for_that_of_the_end() -> None:
    """A fee was open, so the end was for that: the request is no reason of it."""
    happened: list[Said] = [
        ("joined", 1, {}),
        ("pending", 3, {"cancellationSource": "CUSTOMER"}),
        ("attempt", 4, {"billingAttempts": 1}),
        ("cancelled", 9, {"cancellationSource": None}),
    ]
    shown = told(*happened).shows(CUSTOMER)
    assert (shown["cancel_type"], shown["cancel_reason"]) == ("involuntary", None)


@pytest.mark.parametrize(
    ("name", "field", "value", "shown"),
    [
        ("cancelled", "cancellationSource", "CUSTOMER", "cancel_reason"),
        ("pending", "cancellationSource", "CUSTOMER", "cancel_reason"),
        ("attempt", "errorMessage", "40 declined", "last_decline_text"),
    ],
)
def test_a_second_delivery_takes_nothing_back(name: str, field: str, value: str, shown: str) -> None:
    """One event, once with the value and once with a null."""
    said: Said = (name, 5.0, {field: value})
    silent: Said = (name, 5.0, {field: None})
    for order in permutations([said, silent]):
        assert told(("joined", 1, {}), *order).shows(CUSTOMER)[shown] == value
