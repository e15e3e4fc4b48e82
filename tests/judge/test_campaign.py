"""A campaign on the toy: it finds, counts, shrinks, keeps and replays a fault, and finds none where there is none."""

from __future__ import annotations

from pathlib import Path

from tests.judge.adversary import Adversary, Plan
from tests.judge.campaign import NAMES, Play, read_fault, run, smallest, violations, write
from tests.judge.history import History
from tests.judge.observed import Observed
from tests.judge.toy import play


def broken(*planted: str) -> Play:
    def play_it(history: History, plan: Plan, adversary: Adversary) -> Observed:
        return play(history, plan, adversary, planted)

    return play_it


def test_an_innocent_service_passes() -> None:
    """No violation in fifty histories, each played twice; the result is readable."""
    found = run(broken(), range(50))
    assert found.counts == {}
    assert (found.histories, found.plays) == (50, 100)
    assert found.lines()[1:] == [f"{name}: 0 violations" for name in NAMES]


def test_a_fault_is_found_shrunk_kept_and_replayed(tmp_path: Path) -> None:
    """A lost event is shrunk to few events and one crash, survives a file, and fails again when replayed."""
    service = broken("lost_in_a_crash")
    found = run(service, range(40), rate=0.2)
    fault = smallest(service, found.first["accepted_is_never_lost"])
    assert len(fault.history.events) == 1
    assert [f.kind for f in fault.plan.faults] == ["crash_before"]
    again = read_fault(write(fault, tmp_path))
    assert again == fault
    assert fault.violation in violations(service, again.history, again.plan)
    assert violations(broken(), again.history, again.plan) == []


def test_orders_that_end_differently_are_found() -> None:
    """A service in which the last arrival wins ends differently by the order: shown by two events."""
    service = broken("balance_by_arrival")
    found = run(service, range(40))
    fault = smallest(service, found.first["same_for_all_orders"])
    assert len(fault.history.events) == 2
    assert "credit_balance" in fault.violation.about


def test_time_is_bounded() -> None:
    """A campaign stops at the first history after its time."""
    assert run(broken(), range(10**6), seconds=0).histories <= 1
