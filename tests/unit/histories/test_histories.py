"""Histories of one member in any order, more than once, with processes that end anywhere: what must hold of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relay.model.effects import Kpi
from relay.model.milestones import KEPT
from relay.rules.settings import Rules

from tests.support.in_memory_relay import Programme, Step, day
from tests.support.sample_events import CUSTOMER, content

pytestmark = pytest.mark.slow

SETTLED = ("dun:", "cancel:")
"""Keys of incidents that are resolved some day. All others are sent once and are never resolved."""

HAPPENINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("joined", {}),
    ("free", {"previousTierId": "3a636361"}),
    ("attempt", {"billingAttempts": 1, "errorMessage": "Your card has insufficient funds."}),
    ("attempt", {"billingAttempts": 2, "errorMessage": "Your card has insufficient funds."}),
    ("attempt", {"billingAttempts": 3, "errorMessage": "Your card has insufficient funds."}),
    ("lost", {}),
    ("paid", {}),
    ("card", {}),
    ("pending", {"effectiveCancellationDate": "2026-05-01T07:00:00Z"}),
    ("pending", {"effectiveCancellationDate": "2026-06-01T07:00:00Z"}),
    # No tier: whether an ending is of the member's own is known only once the tier is (`test_milestones.py`).
    ("cancelled", {"tierId": None}),
    ("cancelled", {"tierId": None, "cancellationSource": "CUSTOMER"}),
    ("moved", {}),
    ("credits", {"previousBalance": 0, "newBalance": 10}),
    ("credits", {"previousBalance": 10, "newBalance": -5}),
    ("expired", {"previousBalance": 10, "newBalance": 5}),
    ("updated", {}),
)

STEPS: tuple[Step | None, ...] = (
    None, None, "before the write", "after the write", "in the fan-out", "in the notifier",
)  # fmt: skip


@st.composite
def a_history(draw: st.DrawFn) -> list[tuple[bytes, datetime]]:
    """Return deliveries in the order in which they happened, hours apart."""
    drawn = draw(st.lists(st.sampled_from(HAPPENINGS), min_size=1, max_size=9))
    moments = [day(1) + timedelta(hours=7 * number) for number in range(len(drawn))]
    return [
        # A snapshot tells no time of its own: two that say the same are one event.
        (
            json.dumps(
                content(name, at, **(differs if name != "updated" else {"revenue": at.hour + 24 * at.day}))
            ).encode(),
            at,
        )
        for (name, differs), at in zip(drawn, moments, strict=True)
    ]


def played(deliveries: Sequence[tuple[bytes, datetime]], ends: Sequence[Step | None] = ()) -> Programme:
    """Return a programme that has one all deliveries; all are received when the last one has happened."""
    relay = Programme(rules=Rules())
    received = max(at for _, at in deliveries)
    for number, (body, _) in enumerate(deliveries):
        relay.deliver(body, received, ends=ends[number] if number < len(ends) else None)
    return relay


def open_incidents(relay: Programme) -> set[str]:
    """Return the open incidents, after a check that each can be resolved."""
    assert all(key.startswith(SETTLED) for key in relay.open), relay.open
    return relay.open


@settings(max_examples=80, deadline=None)
@given(a_history(), st.randoms(use_true_random=False))
def test_any_order_any_number_and_any_crash(history: list[tuple[bytes, datetime]], chance: Any) -> None:
    """The same record, the same open incidents, and no level of an incident sent twice."""
    plain = played(history)
    shuffled = [*history, *chance.choices(history, k=chance.randrange(3))]
    chance.shuffle(shuffled)
    ends = [chance.choice(STEPS) for _ in shuffled]
    relay = played(shuffled, ends)
    assert relay.member(CUSTOMER) == plain.member(CUSTOMER)
    assert relay.shows(CUSTOMER) == plain.shows(CUSTOMER)
    assert open_incidents(relay) == open_incidents(plain)
    assert_sent_once(relay)


@settings(max_examples=25, deadline=None)
@given(a_history())
def test_crashes_in_documented_order_change_nothing(history: list[tuple[bytes, datetime]]) -> None:
    """After a crash anywhere, the same notifications are sent; a repeat is marked as one."""
    plain = [(one.kind, one.alert_message.id) for one in played(history).sent]
    for step in {step for step in STEPS if step}:
        relay = played(history, [step] * len(history))
        assert [(one.kind, one.alert_message.id) for one in relay.sent if not one.may_be_repeat] == plain, (
            step
        )


GOLD, PLATINUM = {"tierId": "3a636361"}, {"tierId": "c560bce7"}
ATTEMPTS = [("attempt", {"billingAttempts": number, "errorMessage": "No funds."}) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("happened", "still_open"),
    [
        ([("cancelled", {"tierId": None}), ("joined", {}), ("pending", {})], {"cancel"}),
        ([("pending", {}), ("cancelled", {"tierId": None}), ("pending", {})], set()),
        ([("cancelled", {"tierId": None}), ("joined", {}), ATTEMPTS[0]], {"dun"}),
        ([("cancelled", {"tierId": None}), ATTEMPTS[0], ("lost", {})], set()),
        ([("joined", GOLD), ATTEMPTS[0], ("moved", PLATINUM), ("cancelled", PLATINUM)], set()),
        ([("joined", GOLD), ATTEMPTS[0], ("cancelled", PLATINUM)], {"dun"}),
        ([("joined", GOLD), ATTEMPTS[0], ("cancelled", PLATINUM), ("paid", {})], set()),
        ([("joined", GOLD), ATTEMPTS[0], ("cancelled", PLATINUM), ("cancelled", GOLD)], set()),
        ([("joined", GOLD), ATTEMPTS[0], ("cancelled", GOLD), ("cancelled", PLATINUM)], set()),
        ([ATTEMPTS[0], ATTEMPTS[1], ("lost", {}), ATTEMPTS[0]], {"dun"}),
        ([ATTEMPTS[1], ("lost", {}), ATTEMPTS[0], ("paid", {})], set()),
        # The final failure may come after the next fee has failed: it parts the two, and the payment ends its own.
        ([ATTEMPTS[0], ("lost", {}), ("paid", {}), ATTEMPTS[0], ATTEMPTS[1]], {"dun"}),
    ],
)
def test_every_order_leaves_the_same_incidents_open(
    happened: list[tuple[str, dict[str, Any]]], still_open: set[str]
) -> None:
    """Those that the record implies, whichever event shows it: an ending of another tier, a joining that comes last."""
    history = [
        (json.dumps(content(name, at, **differs)).encode(), at)
        for number, (name, differs) in enumerate(happened)
        for at in [day(1 + number)]
    ]
    for order in permutations(history):
        relay = played(order)
        assert {key.partition(":")[0] for key in relay.open} == still_open, [at.day for _, at in order]


def test_a_final_failure_is_said_though_the_next_fee_has_failed_already() -> None:
    """Once in every order, and the next fee's warning is a message of its own."""
    happened = [
        *zip((1, 2, 3), ATTEMPTS, strict=True),
        (3.1, ("lost", {})),
        (31, ATTEMPTS[0]),
        (32, ATTEMPTS[1]),
    ]
    history = [
        (
            json.dumps(content(name, day(1) + timedelta(days=at), **differs)).encode(),
            day(1) + timedelta(days=at),
        )
        for at, (name, differs) in happened
    ]
    for place in range(3, len(history)):
        rest = [each for each in history if each is not history[3]]
        relay = played([*rest[:place], history[3], *rest[place:]])
        told = [(one.kind, one.alert_message.alert.rule) for one in relay.sent]
        assert [rule for _, rule in told].count("dunning.failed") == 1, place
        assert [rule for _, rule in told].count("dunning.last_chance") == 2, (place, told)


def test_two_recoveries_are_two_notes_though_they_were_taken_for_one() -> None:
    """A failure that comes late makes them one pair, and the payment between parts it: each has a key of its own."""
    happened = [("attempt", 4), ("paid", 5), ("attempt", 2), ("paid", 3)]
    history = [(json.dumps(content(name, at, billingAttempts=1)).encode(), day(at)) for name, at in happened]
    for order in permutations(history):
        relay = played(order)
        keys = {key for key, note in relay.notes if note.name == "Membership Payment Recovered"}
        assert len(keys) == 2, [at.day for _, at in order]


def assert_sent_once(relay: Programme) -> None:
    """Check that between an opening and its end every message has a higher level than the one before."""
    levels: dict[str, int] = {}
    for one in relay.channel.notifications:
        key, level = one.alert_message.alert.incident_key, one.alert_message.alert.level
        if one.may_be_repeat or one.kind == "updated":
            continue
        # A notice of an outcome is the end of an older fee's incident, said while that of the next fee is open.
        if one.kind == "resolved" or (one.kind == "notice" and one.alert_message.alert.outcome):
            levels.pop(key, None)
            continue
        if one.alert_message.alert.cycle_at and one.kind == "opened":
            levels.pop(key, None)  # the next fee, while the one before was never settled
        assert level > levels.get(key, 0), (key, level)
        levels[key] = level


@settings(max_examples=60, deadline=None)
@given(
    # A record remembers three failures: what is older than those and comes late is forgotten.
    st.lists(st.sampled_from(["attempt", "paid"]), min_size=1, max_size=6).filter(
        lambda names: names.count("attempt") <= KEPT["failed"]
    ),
    st.randoms(use_true_random=False),
)
def test_a_recovery_is_counted_once_whichever_event_comes_last(names: list[str], chance: Any) -> None:
    """As often as a payment follows a failure, in any order and with repeats; the CRM gets as many notes."""
    history = [
        (json.dumps(content(name, at)).encode(), at)
        for name, at in ((name, day(1) + timedelta(hours=7 * hour)) for hour, name in enumerate(names))
    ]
    shuffled = [*history, *chance.choices(history, k=2)]
    chance.shuffle(shuffled)
    relay = played(shuffled)
    made_good = sum(pair == ("attempt", "paid") for pair in pairwise(names))
    assert [kpi.name for kpi in kept_kpis(relay)].count("recovered") == made_good


def kept_kpis(relay: Programme) -> list[Kpi]:
    """Return what the figures count in the end: the last word under each key."""
    words = {f"{kpi.key or event_id} {kpi.rule} {kpi.name} {kpi.at}": kpi for event_id, kpi in relay.kpis}
    return [kpi for kpi in words.values() if not kpi.withdrawn]


def test_a_history_that_closes_what_it_opened() -> None:
    """The check above can fail: a failure without a payment leaves its incident open."""
    failed = content("attempt", 1, billingAttempts=1)
    paid = content("paid", 2)
    deliveries = [(json.dumps(failed).encode(), day(1)), (json.dumps(paid).encode(), day(2))]
    assert open_incidents(played(deliveries[:1])) == {f"dun:{played(deliveries).member(CUSTOMER).key}"}
    assert open_incidents(played(deliveries)) == open_incidents(played(deliveries[::-1])) == set()
