"""What goes wrong by chance at other servers: repeatable, bounded, and never twice running."""

from __future__ import annotations

from itertools import pairwise

from fakes.fault_rates import FaultRates


def drawn(**given: float) -> list[str | None]:
    rates = FaultRates(**{"seed": 1, "most": 1000} | given)  # type: ignore[arg-type]  # some of them are whole numbers
    return [rates.draw() for _ in range(1000)]


def test_nothing_goes_wrong_unless_it_is_set() -> None:
    """A stand-in is sound by default."""
    assert set(drawn()) == {None}


def test_the_same_seed_strikes_the_same_requests() -> None:
    """And another seed strikes others."""
    assert drawn(fails=0.1) == drawn(fails=0.1)
    assert drawn(fails=0.1) != drawn(fails=0.1, seed=2)


def test_rates_hold() -> None:
    """About as often as asked for, either kind."""
    found = drawn(fails=0.1, hangs=0.05, calm=0)
    assert 60 < found.count("fails") < 130
    assert 25 < found.count("hangs") < 75


def test_never_twice_running() -> None:
    """Even when everything should fail, every other request is left alone."""
    found = drawn(fails=1.0)
    assert all(None in pair for pair in pairwise(found))
    assert found.count("fails") == 500


def test_not_without_end() -> None:
    """After so many all is well."""
    assert drawn(fails=0.5, most=7).count("fails") == 7


def test_no_answer_is_lost_twice() -> None:
    """After one that hung, whoever asks again is answered: nothing hangs for a while, though it may fail."""
    found = drawn(fails=0.1, hangs=0.5, calm=60)
    assert found.count("hangs") == 1
    assert found.count("fails") > 60
