"""Values that mean something together are shown together: a tier and its name, a change of credit and its reason."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import CUSTOMER, content

FREE, SILVER = {"tierId": "f0", "tierName": "Free"}, {"tierId": "51", "tierName": "Silver"}
BACK = {"tierId": "f0", "tierName": "Free", "previousTierId": "51", "previousTierName": "Silver"}
Said = tuple[str, float, dict[str, Any], tuple[str, ...]]


def body(said: Said) -> bytes:
    """Return a body that lacks the named fields; a value that is set to null stays null."""
    name, at, differs, lacking = said
    made = content(name, at, **differs)
    for field in lacking:
        made["payload"].pop(field, None)
        (made["payload"].get("detail") or {}).pop(field, None)
    return json.dumps(made).encode()


FREE_JOINED: Said = ("free", 1, {**FREE, "previousTierId": None, "previousTierName": None}, ())
TO_SILVER: Said = ("moved", 2, {**SILVER, "previousTierId": "f0", "previousTierName": "Free"}, ())

TIERS: tuple[tuple[tuple[Said, ...], dict[str, Any]], ...] = (
    # An id without a name: not the name of the tier before.
    ((FREE_JOINED, ("moved", 2, SILVER, ("tierName",))), {"tier_id": "51", "tier_name": None}),
    ((FREE_JOINED, ("moved", 2, SILVER, ("detail",))), {"tier_id": "51", "tier_name": None}),
    ((FREE_JOINED, ("joined", 2, SILVER, ("tierName",))), {"tier_name": None, "tier_type": "paid"}),
    # A name without an id is the newest that is known; the id that is known is not taken back by its absence.
    ((FREE_JOINED, ("moved", 2, SILVER, ("tierId",))), {"tier_id": "f0", "tier_name": "Silver"}),
    ((FREE_JOINED, ("moved", 2, {**SILVER, "tierId": None}, ())), {"tier_id": "f0", "tier_name": "Silver"}),
    ((("joined", 2, SILVER, ("tierId",)),), {"tier_id": None, "tier_name": "Silver"}),
    # The same tier told again without its name keeps it.
    ((("joined", 1, SILVER, ()), ("joined", 3, SILVER, ("tierName",))), {"tier_name": "Silver"}),
    ((TO_SILVER, ("joined", 3, SILVER, ("tierName",))), {"tier_name": "Silver"}),
    # So does a null or a blank name; beside another tier's id neither leaves the name of the tier before.
    ((("joined", 1, SILVER, ()), ("joined", 3, {**SILVER, "tierName": None}, ())), {"tier_name": "Silver"}),
    ((TO_SILVER, ("joined", 3, {**SILVER, "tierName": "  "}, ())), {"tier_name": "Silver"}),
    ((TO_SILVER, ("moved", 3, {**SILVER, "tierName": None}, ())), {"tier_name": "Silver"}),
    ((FREE_JOINED, ("moved", 2, {**SILVER, "tierName": None}, ())), {"tier_id": "51", "tier_name": None}),
    ((FREE_JOINED, TO_SILVER, ("joined", 3, SILVER, ())), {"tier_name": "Silver", "tier_type": "paid"}),
    # Of a second move that names no former tier, the first one's is not the former.
    ((TO_SILVER, ("moved", 3, FREE, ("previousTierId", "previousTierName"))), {"previous_tier_name": None}),
    ((TO_SILVER, ("moved", 3, BACK, ())), {"previous_tier_name": "Silver"}),
)

CREDITS: tuple[tuple[tuple[Said, ...], dict[str, Any]], ...] = (
    (
        (
            ("credits", 1, {"previousBalance": 0, "newBalance": 10, "reason": "MANUAL"}, ()),
            ("credits", 2, {"newBalance": 15, "reason": "REDEEMED"}, ("previousBalance",)),
        ),
        {"credit_balance": 15, "last_credit_delta": None, "last_credit_reason": "REDEEMED"},
    ),
    (
        (
            ("credits", 1, {"previousBalance": 0, "newBalance": 10, "reason": "MANUAL"}, ()),
            ("credits", 2, {"previousBalance": 10, "newBalance": 15}, ("reason",)),
        ),
        {"last_credit_delta": 5, "last_credit_reason": None},
    ),
    (
        (
            ("expired", 1, {"previousBalance": 10, "newBalance": 6, "amount": 4, "expiredAt": str(day(1))}, ()),
            ("expired", 2, {"newBalance": 1, "expiredAt": str(day(2))}, ("amount", "previousBalance")),
        ),
        {"last_expired_amount": None, "credits_expired_at": day(2)},
    ),
)  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), [*TIERS, *CREDITS])
def test_no_value_stands_beside_what_another_event_told(
    said: tuple[Said, ...], expected: dict[str, Any]
) -> None:
    """In every order, and twice."""
    for order in permutations(said):
        relay = Programme()
        for one in (*order, *order):
            relay.deliver(body(one), day(9))
        shown = relay.shows(CUSTOMER)
        assert {name: shown[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("before", "after", "amount", "expected"),
    [(10, 6, 4, 4), (10, 6, 5, 5), (10, 6, -4, 4), (10, 6, 0, 4), (10, 6, None, 4), (10, 6, "four", 4), (None, 6, -4, 4), (None, 6, None, None)],
)  # fmt: skip
def test_what_expired_is_a_positive_amount(
    before: Any, after: Any, amount: Any, expected: int | None
) -> None:
    """Whatever its sign, and where it is missing the fall of the balance: in the record, and in what is counted."""
    relay = Programme()
    told = content(
        "expired", 1, previousBalance=before, newBalance=after, amount=amount, expiredAt=str(day(1))
    )
    relay.deliver(json.dumps(told).encode(), day(1))
    assert relay.shows(CUSTOMER)["last_expired_amount"] == expected
    assert [kpi.amount for _, kpi in relay.kpis if kpi.name == "credits_expired"] == [expected]
