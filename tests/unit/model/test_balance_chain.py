"""The chain of balances: every order and repetition keeps the same changes, and a missing change shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relay.model.balance_chain import (
    FULL_SECOND,
    KEPT,
    READ_WITHIN,
    BalanceChain,
    BalanceChange,
    append,
    balance,
    has_gap,
)
from relay.model.facts import Facts
from relay.model.member import Member, merge

from tests.support.port_fakes import NOW, SHOP

BALANCES = st.integers(0, 3).map(Decimal)
CHANGES = st.builds(
    BalanceChange,
    st.integers(0, 12).map(lambda minute: NOW + timedelta(minutes=minute)),
    st.none() | BALANCES,
    BALANCES,
)


def chained(changes: Sequence[BalanceChange]) -> BalanceChain:
    chain: BalanceChain = ()
    for change in changes:
        chain = append(chain, change)
    return chain


def chain_of(*steps: tuple[float, int | None, int]) -> BalanceChain:
    """Return the chain of these changes: minute, previous balance, new balance."""
    return chained(
        [
            BalanceChange(
                NOW + timedelta(minutes=minute),
                None if previous is None else Decimal(previous),
                Decimal(new),
            )
            for minute, previous, new in steps
        ]
    )


@given(st.lists(CHANGES, max_size=20), st.randoms(use_true_random=False))
def test_any_order_any_repetition_the_same_chain(changes: list[BalanceChange], chance: Any) -> None:
    """A shuffled history with repetitions keeps the changes that the plain one keeps."""
    shuffled = changes + chance.choices(changes, k=len(changes)) if changes else []
    chance.shuffle(shuffled)
    assert chained(shuffled) == chained(changes)


@given(st.lists(CHANGES, max_size=30))
def test_only_the_newest_changes_are_kept(changes: list[BalanceChange]) -> None:
    """Six, extended to whole seconds, in order, none before the newest anchor."""
    chain = chained(changes)
    assert list(chain) == sorted(chain, key=lambda change: change.at)
    assert not any(change.is_anchor for change in chain[1:])
    if chain:
        oldest = chain[0].at.replace(microsecond=0)
        assert sum(change.at.replace(microsecond=0) > oldest for change in chain) < KEPT


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=6), st.data())
def test_a_history_without_a_gap_is_whole_and_with_one_is_not(steps: list[int], data: st.DataObject) -> None:
    """Every change starts from the balance that the last one left; a change that is taken out shows."""
    balance, changes = 0, []
    for minute, step in enumerate(steps):
        changes.append((float(minute), balance, balance + step))
        balance += step
    assert not has_gap(chain_of(*changes))
    if len(changes) > 2:
        lost = data.draw(st.integers(1, len(changes) - 2))
        assert has_gap(chain_of(*changes[:lost], *changes[lost + 1 :])) is (
            steps[lost] != 0 and not _twins(changes, lost)
        )


def _twins(changes: list[tuple[float, int, int]], lost: int) -> bool:
    """Return whether the changes around the lost one are equal, as when an expiry is reported twice."""
    return changes[lost - 1][1:] == changes[lost + 1][1:]


@pytest.mark.parametrize(
    ("chain", "gap"),
    [
        (chain_of(), False),
        (chain_of((0, 5, 10)), False),
        (chain_of((0, 5, 10), (1, 10, 3)), False),
        (chain_of((0, 5, 10), (1, 9, 3)), True),
        # within a second: in whichever order they connect
        (chain_of((0, 5, 10), (0, 0, 5), (1, 10, 3)), False),
        (chain_of((0, 0, 5), (1, 10, 3), (1, 5, 10), (2, 3, 1)), False),
        (chain_of((0, 0, 5), (1, 10, 3), (1, 6, 10)), True),
        # an expiry reported under both topics
        (chain_of((0, 10, 5), (1, 10, 5), (2, 5, 4)), False),
        # a reading, and what it may have seen already
        (chain_of((0, None, 10), (1, 10, 3)), False),
        (chain_of((0, None, 3), (1, 10, 3)), False),
        (chain_of((0, None, 3), (1, 10, 3), (2, 3, 1)), False),
        (chain_of((0, None, 4), (1, 10, 3)), True),
        (chain_of((0, None, 3), (READ_WITHIN / timedelta(minutes=1) + 1, 10, 3)), True),
        # what was before a reading does not matter
        (chain_of((0, 0, 1), (1, 5, 6), (2, None, 10)), False),
    ],
)
def test_gaps(chain: BalanceChain, *, gap: bool) -> None:
    """A gap is a change that does not start from the balance that the one before it left."""
    assert has_gap(chain) is gap


def test_facts_add_changes_to_the_record() -> None:
    """A change is dated by its event; a reading removes every older change."""
    member = Member(shop=SHOP, customer_id="1")
    first = Facts(event_id="a" * 32, at=NOW, balances=(Decimal(0), Decimal(5)))
    member = merge(merge(member, first), first)
    assert member.balance_chain == (BalanceChange(NOW, Decimal(0), Decimal(5)),)
    reading = Facts(event_id="api-1", at=NOW + timedelta(minutes=1), balances=(None, Decimal(7)))
    assert [change.new for change in merge(member, reading).balance_chain] == [Decimal(7)]


@pytest.mark.parametrize(
    ("steps", "value", "is_certain"),
    [
        ([], None, True),
        ([(0, 0, 10)], 10, True),
        # one second, in either order of milliseconds
        ([(0, 0, 10), (0, 10, 7)], 7, True),
        ([(0, 10, 7), (0.9, 0, 10)], 7, True),
        ([(0, 0, 10), (0.1, 10, 0), (0.2, 0, 5)], 5, True),
        # a circle ends at the balance before it, if that lies on it
        ([(-5, 3, 10), (0, 10, 7), (0.1, 7, 10)], 10, True),
        ([(-5, 3, 7), (0, 10, 7), (0.1, 7, 10)], 7, True),
        ([(-5, 3, 4), (0, 10, 7), (0.1, 7, 10)], 10, False),
        ([(0, 10, 7), (0.1, 7, 10)], 10, False),
        ([(0, 5, 5)], 5, True),
        ([(-5, 3, 4), (0, 5, 5)], 5, True),
        # neither one path nor a circle: the largest (time, new, previous) stands
        ([(0, 0, 10), (0, 3, 7)], 10, False),
        ([(0, 0, 10), (0.5, 3, 7)], 7, False),
        # an undecided second is forgotten with the next one, unless that is a circle
        ([(0, 0, 10), (0, 3, 7), (5, 7, 6)], 6, True),
        ([(0, 0, 10), (0, 3, 7), (5, 10, 6), (5, 6, 10)], 10, False),
        # an anchor
        ([(0, 0, 10), (1, None, 4)], 4, True),
        ([(1, None, 4), (1.5, 4, 9)], 9, True),
        ([(1, None, 4), (1.5, 4, 9), (1.5, 9, 4)], 4, True),
    ],
)
def test_the_balance_of_a_chain(
    steps: list[tuple[float, int | None, int]], value: int | None, *, is_certain: bool
) -> None:
    """Seconds, the balance before and after; the end, and whether the chain decides it."""
    chain = chain_of(*((second / 60, previous, new) for second, previous, new in steps))
    found = balance(chain)
    assert (found.value, found.is_certain) == (value, is_certain)


@st.composite
def trails(draw: st.DrawFn) -> list[BalanceChange]:
    """Return a history of balances: up to five changes in each of some seconds, told in whole seconds or in milliseconds."""
    value, changes = Decimal(draw(st.integers(0, 3))), []
    for second in draw(st.lists(st.integers(0, 20), min_size=1, max_size=5, unique=True).map(sorted)):
        is_whole = draw(st.booleans())
        for number in range(draw(st.integers(1, 5))):
            new = Decimal(draw(st.integers(0, 3)))
            offset = timedelta(seconds=second, milliseconds=0 if is_whole else 7 * number)
            changes.append(BalanceChange(NOW + offset, value, new))
            value = new
    return changes


@settings(max_examples=200)
@given(trails(), st.randoms(use_true_random=False))
def test_random_trails_in_three_orders(changes: list[BalanceChange], chance: Any) -> None:
    """The same balance in every order; where the chain decides it, a way through all changes of the last second ends there."""
    reverse, shuffled = changes[::-1], [*changes, *chance.choices(changes, k=3)]
    chance.shuffle(shuffled)
    found = balance(chained(changes))
    assert balance(chained(reverse)) == found == balance(chained(shuffled))
    if not found.is_certain or has_gap(chained(changes)):
        return
    told = {
        each for each in changes if each.at.replace(microsecond=0) == changes[-1].at.replace(microsecond=0)
    }
    ends = {way[-1].new for way in permutations(told) if _is_way(way)}
    # None, where the same change twice in one moment was taken for one.
    assert not ends or found.value in ends


def _is_way(way: Sequence[BalanceChange]) -> bool:
    return all(one.new == other.previous for one, other in pairwise(way))


def test_a_full_second_decides_nothing() -> None:
    """Sixteen changes are kept of one second, the largest, whatever the order; there may have been more."""
    changes = [BalanceChange(NOW, Decimal(step), Decimal(step + 1)) for step in range(40)]
    chain = chained(changes)
    assert chain == chained(changes[::-1])
    assert [change.new for change in chain] == [Decimal(step) for step in range(40 - FULL_SECOND + 1, 41)]
    assert balance(chain).is_certain is False
    assert balance(chained(changes[: FULL_SECOND - 1])) == balance(chain_of((0, 0, 15)))
