"""The adversary: faults by (event, call, occurrence) that a plan replays, and orders of arrival that lose nothing."""

from __future__ import annotations

import json

import pytest

from tests.judge.adversary import (
    HTTP_FAULTS,
    MOST_STRIKES,
    ORDERS,
    Adversary,
    Fault,
    Plan,
    as_happened,
    draw_arrivals,
    plan_from_json,
    plan_to_json,
)
from tests.judge.generator import draw

CALLS = [(f"e{n}", call) for n in range(40) for call in ("dynamodb.PutItem", "sqs.SendMessage", "http.crm")]


def struck(adversary: Adversary, calls: list[tuple[str, str]]) -> set[Fault]:
    for event, call in calls * 5:
        adversary.strike(event, call)
    return set(adversary.struck)


def test_faults_do_not_depend_on_the_order_of_calls() -> None:
    """A fault is drawn for its place alone, so that leaving other events out does not move it."""
    whole = struck(Adversary(seed=3, rate=0.3), CALLS)
    assert whole
    assert struck(Adversary(seed=3, rate=0.3), CALLS[::-1]) == whole
    half = struck(Adversary(seed=3, rate=0.3), CALLS[:60])
    assert half == {fault for fault in whole if (fault.event, fault.call) in CALLS[:60]}


def test_a_plan_replays_what_struck() -> None:
    """The faults of a play, given as a plan, strike again at the same places and nowhere else."""
    whole = struck(Adversary(seed=4, rate=0.2), CALLS)
    assert struck(Adversary.replaying(Plan((), frozenset(whole))), CALLS) == whole


def test_strikes_come_to_an_end() -> None:
    """No call of an event is struck more often than stated, however high the rate, so that a play ends."""
    adversary = Adversary(seed=5, rate=1.0)
    found = [adversary.strike("e1", "sqs.SendMessage") for _ in range(50)]
    assert sum(kind is not None for kind in found) == MOST_STRIKES


def test_every_kind_is_drawn_where_it_fits() -> None:
    """Each kind of fault strikes, those of HTTP at HTTP calls alone; a lasting refusal only by name."""
    faults = struck(Adversary(seed=6, rate=0.5), CALLS)
    assert {f.kind for f in faults if f.call == "http.crm"} == set(HTTP_FAULTS)
    assert {f.kind for f in faults if f.call != "http.crm"} == {
        "crash_before", "crash_after", "throttled", "conflict", "lost_answer",
    }  # fmt: skip
    named = Adversary(seed=6, rate=0.5, kinds=frozenset({"refused"}))
    assert {f.kind for f in struck(named, CALLS)} == {"refused"}


@pytest.mark.parametrize("order", ORDERS)
def test_no_order_loses_a_delivery(order: str) -> None:
    """Each delivery arrives at least once in every order; a seed gives one plan."""
    history = draw(11)
    plan = draw_arrivals(history, 1, order, repeats=0.3)
    assert set(plan.arrivals) == set(as_happened(history).arrivals)
    assert len(plan.arrivals) > len(as_happened(history).arrivals)
    assert plan == draw_arrivals(history, 1, order, repeats=0.3)


def test_orders_differ() -> None:
    """Shuffled, reversed and delayed are other orders than the natural one."""
    history = draw(12)
    natural = as_happened(history).arrivals
    plans = [
        draw_arrivals(history, 2, order, repeats=0.2).arrivals
        for order in ("shuffled", "reversed", "delayed")
    ]
    assert len({natural, *plans}) == 4


def test_an_unknown_order_is_refused() -> None:
    """A misspelt order does not play the natural one."""
    with pytest.raises(ValueError, match="sorted"):
        draw_arrivals(draw(1), 1, "sorted")


def test_a_plan_survives_json_and_a_shorter_history() -> None:
    """A plan is written and read again, and drops what a shorter history no longer has."""
    history = draw(13)
    first = history.events[0].name
    plan = Plan(draw_arrivals(history, 3).arrivals, frozenset({Fault(first, "a", 1, "crash_before")}))
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
    shorter = plan.within(history.without(frozenset({first})))
    assert shorter.faults == frozenset()
    assert first not in {event for event, _ in shorter.arrivals}
