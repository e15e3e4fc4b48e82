"""Two events of one moment and rank: what they mean decides, and where nothing does, the API is asked."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from relay.model.effects import Recheck

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import CUSTOMER, content

Said = tuple[str, float, dict[str, Any]]


def told(*said: Said) -> Programme:
    """Return the programme after these events, each a day's."""
    relay = Programme()
    for name, at, differs in said:
        relay.deliver(json.dumps(content(name, at, **differs)).encode(), day(at) + timedelta(seconds=1))
    return relay


def asked(relay: Programme) -> list[str]:
    """Return the reasons for which the API is asked."""
    effects = (
        effect for outbox in relay.world.members.outboxes for each in outbox.events for effect in each.effects
    )
    return [effect.reason for effect in effects if isinstance(effect, Recheck)]


TIED: tuple[tuple[Said, Said], ...] = (
    (("updated", 2, {"email": "b@example.com"}), ("updated", 2, {"email": "c@example.com"})),
    (("updated", 2, {"email": "b@example.com"}), ("ordered", 2, {})),
    (("joined", 2, {"tierId": "a1"}), ("joined", 2, {"tierId": "b1"})),
    (("joined", 2, {"tierId": "a1"}), ("trial", 2, {"tierId": "a1"})),
    (
        ("pending", 2, {"effectiveCancellationDate": "2026-04-01T00:00:00Z"}),
        ("pending", 2, {"effectiveCancellationDate": "2026-05-01T00:00:00Z"}),
    ),
    (
        ("paid", 2, {"newBillingDate": "2026-04-01T00:00:00Z"}),
        ("paid", 2, {"newBillingDate": "2026-05-01T00:00:00Z"}),
    ),
)


@pytest.mark.parametrize(("one", "other"), TIED)
def test_a_tie_that_only_ids_decide_is_looked_up(one: Said, other: Said) -> None:
    """Whichever comes last asks: the value that stands is an accident."""
    for order in ((one, other), (other, one)):
        assert asked(told(*order)).count("tied") == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ordered", 2, {}), ("card", 2, {})),
        (("attempt", 2, {"billingAttempts": 1}), ("paid", 2, {})),
        (("cancelled", 2, {}), ("joined", 2, {})),
        (("updated", 2, {}), ("updated", 2, {})),
        (
            ("credits", 2, {"previousBalance": 0, "newBalance": 10}),
            ("credits", 2, {"previousBalance": 10, "newBalance": 7, "reason": "REDEEMED"}),
        ),
    ],
)
def test_what_agrees_or_has_a_rank_or_a_chain_is_no_tie(one: Said, other: Said) -> None:
    """The same address in two events, a payment over a failure, a balance that leads to the next."""
    for order in ((one, other), (other, one)):
        assert "tied" not in asked(told(*order))


@pytest.mark.parametrize("tier", ["a1", "b1"])
def test_the_end_of_either_of_two_tied_tiers_is_the_members_own(tier: str) -> None:
    """Nothing says which was entered last, so neither ending is of another tier; that of a third one is."""
    for order in permutations([("joined", 2, {"tierId": "a1"}), ("joined", 2, {"tierId": "b1"})]):
        relay = told(*order, ("cancelled", 9, {"tierId": tier}))
        assert relay.member(CUSTOMER).status == "cancelled"
        assert told(*order, ("cancelled", 9, {"tierId": "c1"})).member(CUSTOMER).status == "active"


@pytest.mark.parametrize(
    "later", [0, 0.7], ids=["one moment", "the grant in full, the purchase cut to its second"]
)
def test_the_change_that_led_to_the_balance_is_shown_with_its_own_reason(later: float) -> None:
    """Never with that of the other change of its second; where that alone is known, with none."""
    for start in range(1, 20):
        grant = {"previousBalance": start, "newBalance": start + 10, "reason": "BIRTHDAY"}
        spent = {"previousBalance": start + 10, "newBalance": start + 7, "reason": "REDEEMED"}
        tied: list[Said] = [("credits", 2 + later / 86400, grant), ("credits", 2, spent)]
        for order in permutations(tied):
            relay = told(("credits", 1, {"previousBalance": 0, "newBalance": start}), *order)
            assert relay.member(CUSTOMER).balance == start + 7
            expired = content("expired", 9, previousBalance=start + 7, newBalance=0, expiredAt=str(day(9)))
            for _ in range(2):
                shown = relay.shows(CUSTOMER)
                assert shown["last_credit_delta"] == -3
                assert shown["last_credit_reason"] in {"REDEEMED", None}
                relay.deliver(json.dumps(expired).encode(), day(9))


def test_what_expired_is_no_change_of_credit_though_the_balance_rose_with_it() -> None:
    """An expiry by an odd ledger, a day after the grant: the last change is still the grant."""
    relay = told(
        ("credits", 1, {"previousBalance": 0, "newBalance": 10, "reason": "BIRTHDAY"}),
        ("expired", 2, {"previousBalance": 10, "newBalance": 12, "expiredAt": day(2).isoformat()}),
    )
    shown = relay.shows(CUSTOMER)
    assert (shown["last_credit_delta"], shown["last_credit_reason"]) == (10, "BIRTHDAY")
