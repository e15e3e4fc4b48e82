"""Random faults of fake servers: repeatable, limited, and never twice in a row."""

from __future__ import annotations

from itertools import pairwise

from fakes.fault_rates import FaultRates


def drawn(**given: float) -> list[str | None]:
    rates = FaultRates(**{"seed": 1, "most": 1000} | given)  # type: ignore[arg-type]  # some of them are whole numbers
    return [rates.draw() for _ in range(1000)]


def test_nothing_goes_wrong_unless_it_is_set() -> None:
    """A fake has no random faults by default."""
    assert set(drawn()) == {None}


def test_the_same_seed_repeats_the_faults() -> None:
    """Another seed gives other faults."""
    assert drawn(fails=0.1) == drawn(fails=0.1)
    assert drawn(fails=0.1) != drawn(fails=0.1, seed=2)


def test_rates_hold() -> None:
    """Each kind of fault occurs at about its rate."""
    found = drawn(fails=0.1, hangs=0.05, calm=0)
    assert 60 < found.count("fails") < 130
    assert 25 < found.count("hangs") < 75


def test_never_twice_in_a_row() -> None:
    """With a rate of 1, every other request succeeds."""
    found = drawn(fails=1.0)
    assert all(None in pair for pair in pairwise(found))
    assert found.count("fails") == 500


def test_faults_are_limited() -> None:
    """After `most` faults every request succeeds."""
    assert drawn(fails=0.5, most=7).count("fails") == 7


def test_no_answer_is_lost_twice() -> None:
    """After a request that hangs, none hangs for a while, though some may fail."""
    found = drawn(fails=0.1, hangs=0.5, calm=60)
    assert found.count("hangs") == 1
    assert found.count("fails") > 60
