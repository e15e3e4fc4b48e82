"""The generator: the same history for a seed, every topic and every oddity, and lives that make sense."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from tests.judge import bodies
from tests.judge.body_oddities import NO_MEMBER
from tests.judge.fold import fold
from tests.judge.generator import draw
from tests.judge.history import MINUTE, SECOND, from_json, load, to_json
from tests.judge.messages import expect
from tests.judge.oddities import ALL, CHANCE, PINGS
from tests.judge.one_body import body_of
from tests.judge.reading import Statement, Unplaced, read

MANY = 250


@pytest.fixture(scope="module")
def oddities() -> Counter[str]:
    """How often each oddity stands in many histories."""
    return Counter(o for seed in range(MANY) for e in draw(seed).events for o in e.oddities)


def test_a_seed_draws_one_history() -> None:
    """The same seed gives the same history, another seed another one."""
    assert draw(7) == draw(7)
    assert draw(7).events != draw(8).events


def test_every_oddity_is_drawn(oddities: Counter[str]) -> None:
    """No switch is dead: each oddity stands in several of many histories."""
    rare = {name: oddities[name] for name in ALL if oddities[name] < MANY * CHANCE / 10}
    assert rare == {}


@pytest.mark.parametrize("switch", sorted(ALL))
def test_a_switch_is_obeyed(switch: str) -> None:
    """A history drawn with one switch has that oddity or none, so that a version can be judged without the rest."""
    seen = {o for seed in range(6) for e in draw(seed, switches=[switch]).events for o in e.oddities}
    assert seen <= {switch}


def test_an_unknown_switch_is_refused() -> None:
    """A switch that was renamed does not silently draw plain histories."""
    with pytest.raises(ValueError, match="clock_furture"):
        draw(1, switches=["clock_furture"])


def test_an_oddity_may_have_taken_what_another_one_needs() -> None:
    """The person of a payment, for one: the history is drawn all the same."""
    for seed in range(60):
        assert draw(seed, chance=0.9).events


def test_every_topic_is_drawn() -> None:
    """Plain histories hold all fifteen topics."""
    topics = {e.topic for seed in range(60) for e in draw(seed, switches=()).events}
    assert topics == set(bodies.TOPICS)


@pytest.mark.parametrize("seed", range(40))
def test_a_plain_history_is_read_as_it_happened(seed: int) -> None:
    """Without oddities the judge reads each event at the time at which it happened, for its member."""
    history = draw(seed, switches=())
    for event in history.events:
        found = read(event.deliveries[0], history)
        assert isinstance(found, Statement)
        assert (found.topic, found.member) == (event.topic, event.member)
        # `customer.updated` has no clock but the time of triggering.
        assert 0 <= found.ms - event.happened < (SECOND if event.topic == bodies.UPDATED else 1)


@pytest.mark.parametrize("seed", range(40))
def test_a_plain_history_has_no_ties(seed: int) -> None:
    """No two events of a member are of one ms, and no two of its credit events of one second."""
    history = draw(seed, switches=())
    times = Counter((e.member, e.happened) for e in history.events)
    seconds = Counter((e.member, e.happened // SECOND) for e in history.events if "credits" in e.topic)
    assert max(times.values()) == 1
    assert max(seconds.values(), default=1) == 1


@pytest.mark.parametrize("seed", range(40))
def test_balances_chain(seed: int) -> None:
    """Without oddities each credit event starts at the balance at which the one before ended."""
    ends: dict[str, float] = {}
    for event in draw(seed, switches=(), steps=15).events:
        if event.topic in {bodies.CREDITS, bodies.EXPIRED}:
            payload = body_of(event)["payload"]
            assert payload["previousBalance"] == ends.get(event.member, 0)
            ends[event.member] = payload["newBalance"]


def test_what_names_no_member_is_of_no_member() -> None:
    """Deliveries without a member, shop or known topic are read as such, and only those."""
    for seed in range(MANY):
        history = draw(seed)
        for event in history.events:
            for delivery in event.deliveries:
                unplaced = isinstance(read(delivery, history), Unplaced)
                assert unplaced == (bool(event.oddities & NO_MEMBER) or delivery.body in PINGS), event


def test_odd_times_stay_near_the_true_ones() -> None:
    """An odd clock dates an event by the time of triggering: within a second and a half of when it happened."""
    for seed in range(MANY):
        history = draw(seed)
        for event in history.events:
            found = read(event.deliveries[0], history)
            # A retried erasure is dated by what it says of its record, and erases as of its triggering.
            if isinstance(found, Statement) and "erasure_retried" not in event.oddities:
                assert abs(found.ms - event.happened) < 3 * SECOND, event


def test_lives_take_every_turn() -> None:
    """Histories hold recovered and lost fees, returns, erasures with and without a return, debts and open ends."""
    turns = Counter[str]()
    for seed in range(MANY):
        history = draw(seed, switches=())
        expected = expect(history)
        for answer in fold(history).values():
            turns.update(name for name, times in answer.pairs.items() if times)
            turns.update(name for name, times in answer.pairs.items() if times > 1 and name == "recovered")
            turns[str(answer.fields.get("status"))] += 1
            turns[str(answer.fields.get("cancel_type"))] += 1
            turns["erased"] += answer.erased
            turns["erased, then back"] += answer.erased_once and not answer.erased
        turns["debt"] += any(told.incident.startswith("cred:") for told in expected.must)
        turns["open"] += bool(expected.open_incidents)
        turns["final"] += any(told.outcome == "final" for told in expected.must)
        resumed = [
            body_of(e)["payload"]["newData"]["status"] for e in history.events if e.topic == bodies.UPDATED
        ]
        turns["resumed"] += "ACTIVE" in resumed and bodies.PENDING in {e.topic for e in history.events}
    wanted = [
        "rejoined",
        "recovered",
        "lost",
        "active",
        "trialing",
        "past_due",
        "pending_cancellation",
        "cancelled",
        "involuntary",
        "voluntary",
        "merchant",
        "erased",
        "debt",
        "open",
        "final",
        "resumed",
    ]
    assert [turn for turn in [*wanted, "erased, then back"] if turns[turn] < 4] == []


def test_a_history_survives_json() -> None:
    """A history written to a file and read again is the same, bytes that are no UTF-8 included."""
    for seed in range(30):
        history = draw(seed)
        assert from_json(json.loads(json.dumps(to_json(history)))) == history
        assert load(json.dumps(to_json(history))) == history


def test_bytes_that_are_no_text_survive_json() -> None:
    """A body in latin-1 is kept byte for byte."""
    history = draw(1)
    post = replace(history.events[0].deliveries[0], body=b'{"name": "Andr\xe9"}', queue=bodies.CREDITS)
    history = replace(history, events=(replace(history.events[0], deliveries=(post,)),))
    assert load(json.dumps(to_json(history))) == history


def test_receipts_follow_triggering() -> None:
    """No event is received before it is triggered, apart from the clocks that are odd on purpose."""
    history = draw(3, switches=())
    for event in history.events:
        found = read(event.deliveries[0], history)
        assert isinstance(found, Statement)
        assert found.triggered is not None
        assert 0 < found.at - found.triggered < MINUTE
