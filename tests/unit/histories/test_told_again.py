"""The same matter told again with another value: counted once and noted once, in every order of arrival."""

from __future__ import annotations

import json
from collections import Counter
from itertools import permutations
from typing import Any

import pytest
from relay.rules.settings import Rules, TierSetting

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import content

Said = tuple[str, float, dict[str, Any]]

GOLD: dict[str, Any] = {"tierId": "gold", "previousTierId": None}
PLATINUM: dict[str, Any] = {"tierId": "plat", "previousTierId": "gold"}
SOON = 1.0 / 24
RULES = Rules(tiers={"gold": TierSetting(rank=1), "plat": TierSetting(rank=2)})

JOINED: Said = ("joined", 1, GOLD)
FIRST: Said = ("attempt", 2, {"billingAttempts": 1})
SECOND: Said = ("attempt", 3, {"billingAttempts": 2})
FAILED, MOVED = "Membership Payment Failed", "Membership Tier Changed"


def later(said: Said, by: float, **differs: Any) -> Said:
    """Return the same, told so many days later and with other values."""
    name, at, known = said
    return name, at + by, {**known, **differs}


def played(history: tuple[Said, ...]) -> Programme:
    """Return a programme that has received the history in this order."""
    relay = Programme(rules=RULES)
    for name, at, differs in history:
        relay.deliver(json.dumps(content(name, at, **differs)).encode(), day(40))
    return relay


def counted(relay: Programme) -> dict[str, int]:
    """Return the figures, each under its key once, less those that were withdrawn."""
    stands: dict[tuple[str, str], bool] = {}
    for event_id, kpi in relay.kpis:
        stands[kpi.name, kpi.key or event_id] = not kpi.withdrawn
    return dict(Counter(name for (name, _), is_counted in stands.items() if is_counted))


def noted(relay: Programme) -> dict[str, int]:
    """Return the notes by name, each id once."""
    return dict(Counter(name for _, name in {(key, note.name) for key, note in relay.notes}))


@pytest.mark.parametrize(
    ("history", "figures", "notes"),
    [
        ((FIRST, SECOND, later(SECOND, 0.001)), {"failed_attempt": 2}, {FAILED: 2}),
        ((FIRST, later(FIRST, SOON, amount=31), later(FIRST, 2 * SOON)), {"failed_attempt": 1}, {FAILED: 1}),
        # 40 hours later it is another one, whatever its number says.
        ((SECOND, later(SECOND, 1.7)), {"failed_attempt": 2}, {FAILED: 2}),
        # Without a number nothing says that two are one.
        (
            (("attempt", 2, {"billingAttempts": None}), ("attempt", 3, {"billingAttempts": None})),
            {"failed_attempt": 2},
            {FAILED: 2},
        ),
        (
            (
                SECOND,
                ("attempt", 4, {"billingAttempts": 3}),
                later(SECOND, SOON),
                ("lost", 4.01, {"billingAttempts": 3}),
            ),
            {"failed_attempt": 2},
            {FAILED: 2},
        ),
        ((JOINED, later(JOINED, 0.001)), {"joined_paid": 1}, {"Membership Joined": 1}),
        (
            (("free", 1, GOLD), later(("free", 1, GOLD), 0.9)),
            {"joined": 1},
            {"Membership Joined": 1},
        ),
        ((JOINED, later(JOINED, 1.1)), {"joined_paid": 2}, {"Membership Joined": 2}),
        ((JOINED, later(JOINED, SOON, tierId="plat")), {"joined_paid": 2}, {"Membership Joined": 2}),
        (
            (("moved", 3, PLATINUM), later(("moved", 3, PLATINUM), 0.001)),
            {"tier_up": 1},
            {MOVED: 1},
        ),
    ],
)
def test_in_every_order(history: tuple[Said, ...], figures: dict[str, int], notes: dict[str, int]) -> None:
    """An attempt by its number, a joining and a move by their tier."""
    for order in permutations(history):
        relay = played(order)
        assert (counted(relay), noted(relay)) == (figures, notes), [at for _, at, _ in order]


def test_a_move_there_and_back_and_there_is_three_moves() -> None:
    """As they happen: the tier of the second one lies between."""
    there: Said = ("moved", 3, PLATINUM)
    relay = played((there, ("moved", 3.1, {"tierId": "gold", "previousTierId": "plat"}), later(there, 0.2)))
    assert (counted(relay), noted(relay)) == ({"tier_up": 2, "tier_down": 1}, {MOVED: 3})


@pytest.mark.parametrize("between", ["cancelled", "attempt"])
@pytest.mark.parametrize("name", ["joined", "trial"])
def test_what_comes_between_two_joinings_parts_them(name: str, between: str) -> None:
    """Whichever arrives last: the second one is noted then, and counted. A failed fee parts no trial."""
    differs = {"freeTrialEnd": "2026-03-20T12:00:00Z"} if name == "trial" else {}
    first: Said = (name, 1, {**GOLD, **differs})
    parting: Said = (between, 1.2, {"billingAttempts": 1} if between == "attempt" else {"tierId": "gold"})
    twice = 1 if (name, between) == ("trial", "attempt") else 2
    for order in permutations((first, parting, later(first, 0.5))):
        relay = played(order)
        assert noted(relay)["Membership Joined"] == twice, [at for _, at, _ in order]
        assert counted(relay)["joined_paid" if name == "joined" else "joined"] == twice


def test_an_attempt_of_the_next_fee_is_another_one() -> None:
    """Its number is the same, and a payment lies between the two: counted in every order, and noted as it happens.

    Where the payment comes last, the fee is settled by then, and no flow is to begin for it.
    """
    history = (FIRST, ("paid", 2.2, {"amount": 100}), later(FIRST, 0.5))
    assert noted(played(history))[FAILED] == 2
    for order in permutations(history):
        assert counted(played(order))["failed_attempt"] == 2, [at for _, at, _ in order]


def test_a_joining_that_is_told_again_is_announced_once() -> None:
    """Also over midnight, where the incident of the first day takes no part."""
    relay = Programme(rules=Rules(announce_joins=True))
    for at in (1.49, 1.51):
        relay.deliver(json.dumps(content("joined", at, **GOLD)).encode(), day(at))
    assert [one.alert_message.alert.rule for one in relay.sent] == ["join.paid"]
