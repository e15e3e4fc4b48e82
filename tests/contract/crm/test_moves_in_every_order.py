"""Moves and swaps that are struck at any call, in any way, and then overtaken by what the member does next.

test_moves.py strikes a move and lets it be tried again. Here the next thing that happens is another: the member returns to its
old address, goes on to a third one, or loses its address; and two members that swap addresses are struck. After every
call some contact holds all fields, and at the end each member has one contact, and no other contact holds anything of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.crm.profiles import key_of
from tests.contract.crm.test_moves import OURS, Move, move
from tests.support.crm_fakes import KilledError

__all__ = ["move"]

KEY = key_of(7001)
OTHER = key_of(7002)
WAYS = ("refused", "busy", "lost", "before", "after")


def _strike(move: Move, at: int, how: str, *customers: int) -> None:
    """Write these members in one call, with its write number `at` struck."""
    move.transport.strike(at, how)
    try:
        move.sync.send(*customers)
    except KilledError:
        assert how in {"before", "after"}
    move.transport.strike(0, "")


def _settle(move: Move, *customers: int) -> None:
    """Write these members as often as a queue would, until nothing changes."""
    for _ in range(4):
        move.sync.clock.forward(200)
        move.sync.send(*customers)


def _with_our_fields(move: Move) -> list[Any]:
    return [contact for contact in move.setup.contacts() if OURS & contact.keys()]


def _holders(move: Move, tier: str) -> Iterator[Any]:
    return (contact for contact in move.setup.contacts() if contact.get("tier_name") == tier)


@pytest.mark.parametrize("how", ["busy", "lost"])
@pytest.mark.parametrize("at", range(1, 6))
def test_every_call_of_a_move_without_an_answer(move: Move, at: int, how: str) -> None:
    """A call that took effect and was not answered, or that is answered with "not now", leaves a home and no stranger."""
    _strike(move, at, how, 7001)
    assert move.homes(), move.transport.writes
    assert move.others_are_named(), move.sync.sync_state(7001)
    _settle(move, 7001)
    [home] = _with_our_fields(move)
    assert (home["key"], home["email"]) == (KEY, "new@example.com")
    assert move.sync.sync_state(7001).previous_contacts == frozenset()


@pytest.mark.stack
@pytest.mark.parametrize("then", ["old@example.com", "third@example.com", None])
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("at", range(1, 6))
def test_a_move_that_is_overtaken(move: Move, at: int, how: str, then: str | None) -> None:
    """The member's next address counts, wherever the move ended; without an address no contact keeps anything."""
    _strike(move, at, how, 7001)
    move.sync.update(7001, email=then, tier_name="Gold")
    _settle(move, 7001)
    if then is None and move.crm.name != "webhook":
        assert _with_our_fields(move) == []
        return
    [home] = _with_our_fields(move)
    assert (home["key"], home.get("email")) == (KEY, then)
    assert move.sync.sync_state(7001).previous_contacts == frozenset()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("at", range(1, 9))
def test_every_call_of_a_swap(move: Move, at: int, how: str) -> None:
    """Two members that swap addresses have a home each after every call, and each its new address in the end.

    Only at Klaviyo one of them is nowhere between the two calls: a profile is its address, and there is no third one.
    """
    move.sync.update(7001, email="a@example.com", tier_name="Gold")
    move.sync.send(7001)
    move.sync.write(7002, email="b@example.com", tier_name="Silver")
    move.sync.update(7001, email="b@example.com", tier_name="Gold")
    move.sync.update(7002, email="a@example.com", tier_name="Silver")
    _strike(move, at, how, 7001, 7002)
    homes = [bool(list(_holders(move, tier))) for tier in ("Gold", "Silver")]
    in_between = move.crm.name == "klaviyo" and how != "refused" and at <= len(homes)
    assert all(homes) or (in_between and any(homes)), homes
    assert how != "refused" or all(contact.get("email") for contact in _with_our_fields(move))
    _settle(move, 7001, 7002)
    assert {contact["key"]: contact["email"] for contact in _with_our_fields(move)} == {
        KEY: "b@example.com",
        OTHER: "a@example.com",
    }
    assert len(_with_our_fields(move)) == 2


RING = {1: "One", 2: "Two", 3: "Three"}


def _begin_ring(move: Move) -> None:
    """Write three members, and change each one's address to the next one's."""
    for customer, tier in RING.items():
        move.sync.write(customer, email=f"{customer}@example.com", tier_name=tier)
    for customer, tier in RING.items():
        move.sync.update(customer, email=f"{customer % 3 + 1}@example.com", tier_name=f"{tier} more")


def _ring(move: Move) -> dict[str, tuple[str, str]]:
    """Return the address and the tier of each contact of the three, by its key."""
    ours = [contact for contact in _with_our_fields(move) if contact.get("shopify_customer_id") != "7001"]
    assert len(ours) == len(RING)
    return {contact["key"]: (contact["email"], contact["tier_name"]) for contact in ours}


MOVED = {
    key_of(customer): (f"{customer % 3 + 1}@example.com", f"{tier} more") for customer, tier in RING.items()
}


def test_three_members_in_a_ring(move: Move) -> None:
    """Each of three members wants the next one's address: one call with all of them parts them."""
    _begin_ring(move)
    move.sync.send(*RING)
    assert _ring(move) == MOVED


@pytest.mark.stack
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("at", range(1, 16))
def test_every_call_of_a_ring(move: Move, at: int, how: str) -> None:
    """Each of the three has a home after every call, but for one at Klaviyo; and its new address in the end."""
    _begin_ring(move)
    _strike(move, at, how, *RING)
    homes = [any(_holders(move, tier)) or any(_holders(move, f"{tier} more")) for tier in RING.values()]
    nowhere = move.crm.name == "klaviyo" and how != "refused" and at <= len(RING)
    assert homes.count(False) <= nowhere, homes
    assert how != "refused" or all(contact.get("email") for contact in _with_our_fields(move))
    _settle(move, *RING)
    assert _ring(move) == MOVED
    for customer in RING:
        assert move.sync.sync_state(customer).previous_contacts == frozenset()


def test_a_chain_of_addresses(move: Move) -> None:
    """One takes the address of another, which goes to a free one, in whichever order the call has them."""
    for first, second in ((1, 2), (4, 3)):
        for customer in (first, second):
            move.sync.write(customer, email=f"{customer}@example.com", tier_name=f"tier {customer}")
        move.sync.update(first, email=f"{second}@example.com", tier_name=f"tier {first}")
        move.sync.update(second, email=f"free-{second}@example.com", tier_name=f"tier {second}")
        move.sync.send(*sorted((first, second)))
        shown = {customer: move.setup.shown(key_of(customer)) or {} for customer in (first, second)}
        assert shown[first].get("email") == f"{second}@example.com"
        assert shown[second].get("email") == f"free-{second}@example.com"


def test_a_ring_by_a_secondary_address(move: Move) -> None:
    """A contact gives no secondary address away: each keeps the one that it has, and waits."""
    if move.crm.name != "hubspot":
        pytest.skip("only a HubSpot contact has more than one address")
    for customer, tier in ((1, "One"), (2, "Two")):
        move.sync.write(customer, email=f"{customer}@example.com", tier_name=tier)
    move.setup.add_address("2@example.com", "second@example.com")
    move.sync.update(1, email="second@example.com", tier_name="One")
    move.sync.update(2, email="1@example.com", tier_name="Two")
    move.sync.send(1, 2)
    shown = {customer: move.setup.shown(key_of(customer)) or {} for customer in (1, 2)}
    assert {customer: fields.get("email") for customer, fields in shown.items()} == {
        1: "1@example.com",
        2: "2@example.com",
    }
    assert {move.sync.sync_state(customer).state for customer in (1, 2)} == {"waiting"}
