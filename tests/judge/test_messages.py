"""What people must be told, worked out by hand from rules.md for the documented timelines."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.judge.building import MEMBER, SILVER, Script
from tests.judge.history import SHOP
from tests.judge.messages import Told, expect

KEY = f"dun:{SHOP}:{MEMBER}"


def must(script: Script) -> Counter[tuple[str, str]]:
    return Counter(
        {(t.level, t.outcome): n for t, n in expect(script.history()).must.items() if t.incident == KEY}
    )


def notes(script: Script) -> dict[str, int]:
    return {name: n for (_, name), n in expect(script.history()).notes.items() if n}


def test_a_first_attempt_is_no_message() -> None:
    """About half of all first failures heal: no person is told, and the incident is open."""
    script = Script().join("3-1").attempt("4-1")
    assert must(script) == {}
    assert expect(script.history()).open_incidents == {KEY}


def test_the_last_but_one_attempt_warns_once() -> None:
    """Attempt 2 of 3 is a warning, attempt 3 adds none."""
    script = Script().join("3-1").attempt("4-1").attempt("4-2", 2).attempt("4-3", 3)
    assert must(script) == {("warning", "opened"): 1}


def test_a_hard_decline_warns_at_once() -> None:
    """A card that has expired will not heal by a retry."""
    assert must(Script().join("3-1").attempt("4-1", 1, "Your card has expired")) == {("warning", "opened"): 1}


def test_a_lost_fee_is_told_to_its_end() -> None:
    """Warned, failed for good, lost: each once."""
    script = Script().join("3-1").attempt("4-1").attempt("4-2", 2).attempt("4-3", 3).final("4-3 0:0:0.040")
    script.cancel("4-3 0:0:9", "FAILURE")
    assert must(script) == {("warning", "opened"): 1, ("warning", "final"): 1, ("warning", "lost"): 1}
    assert expect(script.history()).open_incidents == set()


@pytest.mark.parametrize(("ending", "outcome"), [("pay", "recovered"), ("join", "rejoined")])
def test_what_ends_a_warning(ending: str, outcome: str) -> None:
    """A payment recovers, a new joining resolves."""
    script = Script().join("3-1").attempt("4-1", 2)
    getattr(script, ending)("4-2")
    assert must(script) == {("warning", "opened"): 1, ("warning", outcome): 1}


def test_a_failure_after_the_end_is_not_told() -> None:
    """A final failure that is told after the ending opens nothing."""
    script = Script().join("3-1").cancel("4-1").final("4-1 0:0:0.400")
    assert must(script) == {}
    assert expect(script.history()).open_incidents == set()


def test_thirty_quiet_days_are_an_end_that_may_be_said() -> None:
    """A warning that nothing ended is over after 30 days without a failure: that may be said once, and not before."""
    warned = Script().join("3-1").attempt("4-1", 2)
    resolved = Told(KEY, "warning", "resolved")
    assert expect(warned.update("4-30").history()).may[resolved] == 0
    assert expect(warned.update("5-6").history()).may[resolved] == 1


def test_a_failure_after_the_end_of_another_tier_may_be_told() -> None:
    """What such an ending means for the member is looked up: a failure after it is neither demanded nor forbidden."""
    script = Script().join("3-1").cancel("4-1", tier=SILVER).attempt("4-9", 2)
    assert must(script) == {}
    assert expect(script.history()).may[Told(KEY, "warning", "opened")] == 1


def test_two_cycles_are_two_incidents() -> None:
    """What failed, was paid, and fails again a month later is told twice."""
    script = Script().join("3-1").attempt("4-1", 2).pay("4-2").attempt("5-1", 2).pay("5-2")
    assert must(script) == {("warning", "opened"): 2, ("warning", "recovered"): 2}


def test_a_fourth_attempt_leaves_open_which_one_is_the_last_but_one() -> None:
    """The service learns it in a daily round. A warning of the second attempt may follow then; one of a final failure must."""
    script = Script().join("3-1").attempt("4-1", 4).pay("4-2").attempt("5-1", 2).pay("5-2")
    assert must(script) == {("warning", "opened"): 1, ("warning", "recovered"): 1}
    final = script.final("6-1")
    assert must(final) == {("warning", "opened"): 2, ("warning", "recovered"): 1, ("warning", "final"): 1}


def test_attempt_three_and_the_final_failure_are_one_failed_attempt() -> None:
    """In timeline and figures the two topics of one attempt count once; a month later they would be another."""
    script = Script().join("3-1").attempt("4-1", 3).final("4-1 0:0:0.040")
    assert notes(script)["Membership Payment Failed"] == 1
    assert expect(script.history()).kpis["failed_attempts"] == 1
    assert notes(script.attempt("5-9", 3))["Membership Payment Failed"] == 2
    apart = Script().join("3-1").attempt("4-1", 3).final("4-2 13:0")
    assert notes(apart)["Membership Payment Failed"] == 2


def test_a_debt_is_an_error_once_a_day() -> None:
    """A balance that falls below zero is told; dust below zero is not."""
    script = Script().credit("3-1", 5, -3).credit("3-1 5:0", -3, 2).credit("3-1 6:0", 2, -1)
    script.credit("3-2", 0.3, -2.7755575615628914e-17)
    debt = Told(f"cred:{SHOP}:{MEMBER}:2026-03-01", "error", "opened")
    assert expect(script.history()).must == {debt: 1}


def test_the_timeline_of_a_return() -> None:
    """A return is noted as a joining and as a return."""
    found = notes(Script().join("3-1").cancel("4-1").join("5-1"))
    assert found == {"Membership Joined": 2, "Membership Cancelled": 1, "Membership Rejoined": 1}


def test_figures_count_each_event_once() -> None:
    """A retry of a payment is no second payment, a refund is none at all."""
    script = Script().join("3-1").pay("3-1 0:1", 100).again(5000, retryCount=1).pay("3-5", -100)
    assert expect(script.history()).kpis == {
        "joins": Decimal(1),
        "payments": Decimal(1),
        "paid:USD": Decimal(100),
    }


def test_an_ending_whose_source_cannot_be_read_is_read_all_the_same() -> None:
    """A source that is no word is none told: whether people are warned of the ending is open."""
    script = Script().join("3-1").cancel("4-1")
    body = script.events[-1].deliveries[0].body.replace(b'"CUSTOMER"', b"[]")
    post = replace(script.events[-1].deliveries[0], body=body)
    script.events[-1] = replace(script.events[-1], deliveries=(post,))
    found = expect(script.history())
    assert any(told.incident.startswith("cancelled:") for told in found.may)
    assert not any(told.incident.startswith("cancelled:") for told in found.must)
