"""The chain of balances: every order and repetition keeps the same changes, and a missing change shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.model.balance_chain import (
    KEPT,
    READ_WITHIN,
    BalanceChain,
    BalanceChange,
    append,
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


@given(st.lists(CHANGES, max_size=20))
def test_only_the_newest_changes_are_kept(changes: list[BalanceChange]) -> None:
    """Six at most, in order, none before the newest reading."""
    chain = chained(changes)
    assert len(chain) <= KEPT
    assert list(chain) == sorted(chain, key=lambda change: change.at)
    assert not any(change.is_anchor for change in chain[1:])


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
        # within a millisecond: in whichever order they connect
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
