"""A payment or an ending that names another tier than the member's is that tier's, and the member's own stand as they were."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from relay.rules.settings import Rules

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import CUSTOMER, content

OWN, OTHER = "3a636361", "77777777"
Said = tuple[str, float, dict[str, Any]]

JOINED: Said = ("joined", 1, {})
PAID: Said = ("paid", 2, {"amount": 49, "newBillingDate": "2026-04-02T00:00:00.000Z"})


def body(name: str, at: float, differs: dict[str, Any]) -> bytes:
    """Return a body; a name with a dot is a place in `detail`, whether the sample has it or not."""
    made = content(name, at, **{key: value for key, value in differs.items() if "." not in key})
    for key, value in differs.items():
        if "." in key:
            made["payload"]["detail"][key.partition(".")[2]] = value
    return json.dumps(made).encode()


def told(*said: Said) -> Programme:
    """Return the programme after these events, each a day's."""
    relay = Programme(rules=Rules())
    for name, at, differs in said:
        relay.deliver(body(name, at, differs), day(at) + timedelta(seconds=1))
    return relay


@pytest.mark.parametrize("place", ["detail.billingTierId", "tierId"])
@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("own_names_its_tier", [False, True])
def test_a_payment_for_another_tier_leaves_the_members_own(
    place: str, *, failed: bool, own_names_its_tier: bool
) -> None:
    """Fee, next date, time and status of the payment stay the own one's, in every order; the failed fee stays open."""
    own = ("paid", 2, {**PAID[2], "detail.billingTierId": OWN}) if own_names_its_tier else PAID
    happened: list[Said] = [JOINED, own]
    happened += [("attempt", 3, {"billingAttempts": 1})] if failed else []
    happened += [("paid", 5, {"amount": 9, "newBillingDate": "2026-06-05T00:00:00.000Z", place: OTHER})]
    for order in permutations(happened):
        shown = told(*order).shows(CUSTOMER)
        assert (shown["fee_amount"], shown["fee_currency"], shown["billing_interval"]) == (49, "USD", "month")
        assert (shown["next_payment_on"], shown["last_payment_at"]) == (date(2026, 4, 2), day(2))
        assert shown["payment_status"] == ("past_due" if failed else "ok")


def test_the_own_payment_comes_back_by_the_joining_of_its_tier() -> None:
    """What was another tier's is the member's own, once the move into that tier is heard of."""
    other: Said = ("paid", 5, {"amount": 9, "newBillingDate": "2026-04-05T00:00:00.000Z", "tierId": OTHER})
    moved: Said = ("moved", 4, {"tierId": OTHER})
    for order in permutations([JOINED, PAID, other, moved]):
        shown = told(*order).shows(CUSTOMER)
        assert (shown["fee_amount"], shown["next_payment_on"]) == (9, date(2026, 4, 5))


def test_a_one_off_charge_for_another_tier_hides_no_own_one() -> None:
    """A charge without a next date is the fee only while no other is known: of the own ones."""
    other: Said = ("paid", 5, {"amount": 9, "newBillingDate": None, "tierId": OTHER})
    own: Said = ("paid", 2, {"amount": 20, "newBillingDate": None})
    for order in permutations([JOINED, own, other]):
        assert told(*order).shows(CUSTOMER)["fee_amount"] == Decimal(20)


def test_the_own_end_beside_that_of_another_tier_is_told() -> None:
    """Two tiers have two ends, though they lie within 36 hours: the own one is noted, counted and said by its own kind."""
    other: Said = ("cancelled", 5, {"tierId": OTHER, "cancellationSource": "FAILURE"})
    own: Said = ("cancelled", 6, {"tierId": OWN, "cancellationSource": "MERCHANT"})
    for order in permutations([JOINED, other, own]):
        relay = told(*order)
        kinds = [
            dict(note.properties).get("type")
            for _, note in relay.notes
            if note.name == "Membership Cancelled"
        ]
        assert "merchant" in kinds, order
        assert "left_by_merchant" in {kpi.name for _, kpi in relay.kpis if not kpi.withdrawn}, order
        shown = relay.shows(CUSTOMER)
        assert (shown["status"], shown["cancelled_at"], shown["cancel_type"]) == (
            "cancelled",
            day(6),
            "merchant",
        )


@pytest.mark.parametrize(
    ("source", "kind"), [("CUSTOMER", "voluntary"), ("FAILURE", "involuntary"), ("MERCHANT", "merchant")]
)
def test_a_later_end_of_another_tier_takes_no_reason_away(source: str, kind: str) -> None:
    """Why the member's own membership ended is still shown."""
    own: Said = ("cancelled", 5, {"tierId": OWN, "cancellationSource": source})
    other: Said = ("cancelled", 9, {"tierId": OTHER, "cancellationSource": "ROBOT"})
    for order in permutations([JOINED, own, other]):
        shown = told(*order).shows(CUSTOMER)
        assert (shown["cancelled_at"], shown["cancel_type"], shown["cancel_reason"]) == (day(5), kind, source)
