"""The shrinker: from a long failing play to the few events, arrivals and faults that fail."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.judge import bodies
from tests.judge.adversary import Adversary, Fault, Plan, as_happened, draw_arrivals
from tests.judge.generator import draw
from tests.judge.history import History
from tests.judge.properties import judge
from tests.judge.shrink import NotFailingError, minimal, shrink
from tests.judge.toy import PLANTED, play


@pytest.mark.parametrize("planted", [{3}, {0, 19}, {4, 5, 6}, {1, 7, 11, 18}, set()])
def test_minimal_finds_what_is_planted(planted: set[int]) -> None:
    """Exactly the items that matter are left, in their order."""

    def fails(kept: Sequence[int]) -> bool:
        return planted <= set(kept)

    assert minimal(range(20), fails) == sorted(planted)


def test_a_planted_pair_of_events_and_a_fault() -> None:
    """A failure that needs a joining that overtakes an earlier ending, and one crash, is shrunk to just these."""
    history = draw(22, switches=(), members=3, steps=12)
    plan = draw_arrivals(history, 2, "shuffled", repeats=0.3)
    victim = next(e.name for e in history.events if e.topic == bodies.CREDITS)
    crash = Fault(victim, "dynamodb.PutItem", 1, "crash_after")
    noise = [Fault(e.name, "sqs.SendMessage", 1, "throttled") for e in history.events]
    plan = Plan(plan.arrivals, frozenset([crash, *noise]))
    topics = {event.name: event.topic for event in history.events}
    happened = {event.name: event.happened for event in history.events}

    def fails(history: History, plan: Plan) -> bool:
        arrived = [name for name, _ in plan.arrivals]
        return crash in plan.faults and any(
            topics[joined] in bodies.JOINED
            and topics[ended] == bodies.CANCELLED
            and happened[ended] < happened[joined]
            for n, joined in enumerate(arrived)
            for ended in arrived[n + 1 :]
        )

    found = shrink(history, plan, fails)
    assert fails(found.history, found.plan)
    assert found.plan.faults == {crash}
    assert len(found.history.events) == 3  # the crash needs its event
    assert len(found.plan.arrivals) == 3
    again = shrink(history, plan, fails)
    assert (again.history, again.plan) == (found.history, found.plan)


@pytest.mark.parametrize("fault", sorted(PLANTED))
def test_every_planted_fault_shrinks_to_six_events(fault: str) -> None:
    """Whatever is wrong with a service is shown with at most six events and two faults."""

    def fails(history: History, plan: Plan) -> bool:
        observed = play(history, plan, Adversary.replaying(plan), [fault])
        return bool(judge(history, observed))

    for seed in range(200):
        history = draw(seed, switches=["wrong_queue", "retry_counted", "tie_ms"], chance=0.8)
        plan = draw_arrivals(history, seed, "shuffled")
        adversary = Adversary(seed, rate=0.2)
        if judge(history, play(history, plan, adversary, [fault])):
            found = shrink(history, Plan(plan.arrivals, frozenset(adversary.struck)), fails)
            assert fails(found.history, found.plan)
            assert len(found.history.events) <= 6
            assert len(found.plan.faults) <= 2
            return
    pytest.fail("the planted fault was not found")


def test_what_does_not_fail_is_not_shrunk() -> None:
    """Shrinking a play that holds raises, so that no empty history is kept as a known fault."""
    history = draw(1)
    with pytest.raises(NotFailingError):
        shrink(history, as_happened(history), lambda history, plan: False)


def test_the_number_of_plays_is_bounded() -> None:
    """A failure that cannot be made smaller costs no more plays than stated."""
    history = draw(2, steps=20)
    count = 0

    def fails(history: History, plan: Plan) -> bool:
        nonlocal count
        count += 1
        return len(history.events) > len(whole.events) // 2

    whole = history
    shrink(history, as_happened(history), fails, most_plays=30)
    assert count <= 30
