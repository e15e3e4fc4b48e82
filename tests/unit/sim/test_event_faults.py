"""Faults in what an event says, against the simulator's own truth: what happened does not change."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sim import billing, cancellations, credit_ledger, memberships, snapshot
from sim.clock import iso, parse
from sim.event_facts import event_time
from sim.event_faults import ORDER, own_time
from sim.events import TOPICS, Event
from sim.faults import ALL_RATES, FAULTS
from sim.model import Member, money
from sim.world import World

from tests.unit.sim.sim_worlds import GOLD, LIFETIME, days, joined, make_world

CONTENT = ("wrong_clock", "tie_ms", "tie_second", "float_dust", "odd_currency")


def struck(fault: str, rate: float = 1.0) -> tuple[World, Member, list[Event]]:
    """Return a world in which the fault strikes, and a member's month in it."""
    world = make_world()
    world.faults.set({fault: rate})
    member, events = joined(world)
    for amount in (3, 4, 5):
        events += credit_ledger.grant(world, member, money(amount), "EARNED_FROM_PURCHASE")
    events += days(world, 3)
    events += credit_ledger.redeem(world, member, money(5))
    events += billing.pay_now(world, member)
    events += days(world, 3)
    events += billing.fail_payment(world, member, 2)
    events += days(world, 5)
    return world, member, [event for event in events if event.topic]


def expected(world: World, member: Member) -> dict[str, Any]:
    found: dict[str, Any] = world.expected_state.for_member(member, world.tiers)["fields"]
    return found


def test_all_faults_are_described_and_in_the_set_of_all() -> None:
    """`make run FAULTS=all` plays each of them, and the control API names it."""
    assert {*CONTENT, "changed_retry", "erasure"} <= ALL_RATES.keys() & FAULTS.keys()
    assert all(ALL_RATES[name] > 0 for name in CONTENT)
    assert ORDER.keys() == set(TOPICS)


@pytest.mark.parametrize("fault", CONTENT)
def test_a_fault_strikes_and_can_be_repeated(fault: str) -> None:
    """The events bear its mark; the same seed strikes the same events; without it none is changed."""
    _, _, events = struck(fault)
    assert any(fault in event.faults for event in events)
    assert [event.payload for event in struck(fault)[2]] == [event.payload for event in events]
    assert not any(event.faults for event in struck(fault, 0.0)[2])


@pytest.mark.parametrize("fault", CONTENT)
def test_what_happened_does_not_change(fault: str) -> None:
    """Each field of the truth is as without the fault, or left out as not determined; times may differ by under a second."""
    plain = expected(*struck(fault, 0.0)[:2])
    found = expected(*struck(fault)[:2])
    assert found["credit_balance"] == plain["credit_balance"]
    same_fee = fault != "odd_currency"
    for name, value in found.items():
        if name in {"fee_amount", "fee_currency", "billing_interval"} and not same_fee:
            continue
        if name.endswith("_at") and value and plain[name]:
            assert abs(parse(value) - parse(plain[name])) < timedelta(seconds=1), name
        else:
            assert value == plain[name], name
    assert len(plain) - len(found) <= 4, plain.keys() - found.keys()


def test_a_wrong_clock_gives_way_to_the_time_of_triggering() -> None:
    """Ahead, in 1900, 1970 or before the platform: the event is dated by its triggering; a later event is later."""
    _, _, events = struck("wrong_clock")
    wrong = [event for event in events if "wrong_clock" in event.faults]
    years = {parse(e.payload.get("createdAt") or e.payload["expiredAt"]).year for e in wrong}
    assert years >= {1900, 1970, 2009}
    assert max(years) >= 2026
    for event in wrong:
        assert own_time(event.payload, event.triggered_at) is None
        assert event_time(event.payload, event) == iso(event.triggered_at)
    dated = [event_time(event.payload, event) for event in events]
    assert dated == sorted(dated)


def test_a_joining_keeps_its_clock() -> None:
    """The platform's record has the time of joining too, and no truth could say which of two is right."""
    _, _, events = struck("wrong_clock")
    joinings = [event for event in events if (event.topic or "").startswith("customer.joined.")]
    assert joinings
    assert not any(event.faults for event in joinings)


def test_two_events_of_one_millisecond_are_in_the_order_of_their_meaning() -> None:
    """Never an ending before the failure that caused it; two of one kind only where their balances tell the order."""
    world, member, events = struck("tie_ms")
    events += [one for one in billing.fail_all_now(world, member) if one.topic]
    pairs = 0
    for one, other in pairwise(events):
        if "tie_ms" in other.faults:
            pairs += 1
            assert event_time(one.payload, one) == event_time(other.payload, other)
            ranks = (ORDER[one.topic or ""], ORDER[other.topic or ""])
            assert ranks[0] < ranks[1] or ranks == (2, 2)
    assert pairs >= 2


def test_a_whole_second_looks_older_than_the_change_before_it() -> None:
    """The balances still tell the order; the reason of the last change is not determined by the times."""
    world, member, events = struck("tie_second")
    assert any("." not in event.payload["createdAt"] for event in events if "tie_second" in event.faults)
    found = expected(world, member)
    assert found["credit_balance"] is not None
    fresh = make_world()
    fresh.faults.set({"tie_second": 1.0})
    other, _ = joined(fresh)
    for amount in (1, 2):
        list(credit_ledger.grant(fresh, other, money(amount), "MANUAL" if amount == 1 else "EARNED"))
    assert "last_credit_reason" not in expected(fresh, other)


def test_dust_is_nothing() -> None:
    """24.990000000000002 is 24.99, and -2.8e-17 is no negative balance."""
    world = make_world()
    world.faults.set({"float_dust": 1.0})
    member, _ = joined(world)
    events = list(credit_ledger.redeem(world, member, member.balance))
    balance = next(event.payload["newBalance"] for event in events if event.topic)
    assert 0 < abs(balance) < 1e-9
    assert expected(world, member)["credit_balance"] == "0"


def test_odd_currencies_have_their_own_digits() -> None:
    """Lower case is upper case, 12.345 KWD keeps its third decimal, and a yen has none."""
    seen = set()
    for seed in range(12):
        world = make_world(seed)
        world.faults.set({"odd_currency": 1.0})
        member, events = joined(world)
        paid = next(one for one in events if one.topic == "customer.payment_succeeded")
        found = expected(world, member)
        seen.add((paid.payload["detail"]["currency"], found["fee_currency"], found["fee_amount"]))
    assert seen == {("usd", "USD", "25"), ("KWD", "KWD", "12.345"), ("JPY", "JPY", "9800")}


def test_an_amount_without_its_currency_says_nothing_of_the_fee() -> None:
    """They mean something together."""
    world = make_world()
    member, _ = joined(world)
    event = next(iter(billing.pay_now(world, member)))
    del event.payload["detail"]["currency"]
    world.expected_state.record_event(event)
    assert not {"fee_amount", "fee_currency"} & expected(world, member).keys()


def test_an_erased_member_has_no_name_anywhere() -> None:
    """The fault anonymises a member within the hour: the snapshot says so, and no later event has an address."""
    world = make_world()
    member, _ = joined(world)
    email = member.email
    world.faults.set({"erasure": 1.0})
    list(credit_ledger.grant(world, member, money(3), "MANUAL"))
    told = days(world, 1)
    snapshots = [one for one in told if one.topic == "customer.updated"]
    assert [one.payload["newData"]["anonymized"] for one in snapshots] == [True]
    new = snapshots[0].payload["newData"]
    assert [new[name] for name in ("email", "firstName", "lastName", "phoneNumber")] == [None] * 4
    later = [*credit_ledger.grant(world, member, money(3), "MANUAL"), *billing.pay_now(world, member)]
    assert email not in str([one.payload for one in later])
    assert expected(world, member)["email"] is None
    assert member.in_programme  # the membership goes on
    list(cancellations.request(world, member, "MERCHANT", policy="immediate"))
    list(memberships.join(world, member, world.tiers[GOLD]))
    assert not member.anonymized


def test_only_a_member_that_has_a_name_is_erased() -> None:
    """A second erasure changes nothing."""
    world = make_world()
    member, _ = joined(world)
    assert len(list(snapshot.anonymise(world, member))) == 1
    world.faults.set({"erasure": 1.0})
    list(credit_ledger.grant(world, member, money(3), "MANUAL"))
    assert [one.topic for one in days(world, 1)] == []


ENDED = ("next_payment_on", "fee_amount", "billing_interval", "attempts_left", "final_attempt_at")


def test_what_ends_with_a_membership() -> None:
    """As in the platform's metafields, no payment is due after the end: no date, fee, interval or attempt."""
    world = make_world()
    member, _ = joined(world)
    assert all(expected(world, member)[name] for name in ENDED[:3])
    list(billing.fail_all_now(world, member))
    days(world, 3)
    found = expected(world, member)
    assert (found["status"], found["payment_status"]) == ("cancelled", "none")
    assert {name: found[name] for name in ENDED} == dict.fromkeys(ENDED)


def test_what_ends_with_a_move_to_a_tier_without_a_fee() -> None:
    """A joining tells it; a change of tier has no kind, so that nothing is determined."""
    for switch, told in (("joined", True), ("changed", False)):
        world = make_world(tier_move=switch)
        member, _ = joined(world)
        free = world.free_tier()
        assert free
        list(memberships.move(world, member, free))
        found = expected(world, member)
        assert ("fee_amount" in found) is told
        assert not told or (found["fee_amount"], found["payment_status"]) == (None, "none")
    world = make_world()
    member, _ = joined(world, LIFETIME)
    assert expected(world, member)["payment_status"] == "none"


def test_a_date_that_has_passed_is_not_determined() -> None:
    """No event tells that it has passed; with the platform's time it is left out, never shown as one to come."""
    world = make_world()
    member, _ = joined(world)
    lot = next(lot for lot in member.lots if lot.expires_at)
    assert lot.expires_at
    before, after = lot.expires_at - timedelta(hours=2), lot.expires_at + timedelta(minutes=1)
    shown = [world.expected_state.for_member(member, world.tiers, now)["fields"] for now in (before, after)]
    for name in ("credits_expiring_at", "credits_expiring_amount"):
        assert [name in fields for fields in shown] == [True, False], name


def test_an_end_that_was_never_delivered_is_unheard() -> None:
    """A mirror cannot know that the fee has ended."""
    world = make_world()
    member, _ = joined(world)
    events = list(cancellations.request(world, member, "MERCHANT", policy="immediate"))
    end = next(one for one in events if one.topic == "customer.cancelled")
    world.expected_state.undelivered.add(end.ordinal)
    unheard = world.expected_state.for_member(member, world.tiers)["unheard"]
    assert {*ENDED, "payment_status", "status"} <= set(unheard)
