"""The chain of balances: any order, any repetition, the same links; and a missing change shows."""

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
    DatedChange,
    append,
    has_gap,
)
from relay.model.facts import Facts
from relay.model.member import Member, merge

from tests.support.port_fakes import NOW, SHOP

BALANCES = st.integers(0, 3).map(Decimal)
LINKS = st.builds(
    DatedChange,
    st.integers(0, 12).map(lambda minute: NOW + timedelta(minutes=minute)),
    st.builds(BalanceChange, st.none() | BALANCES, BALANCES),
)


def chained(links: Sequence[DatedChange]) -> BalanceChain:
    chain: BalanceChain = ()
    for link in links:
        chain = append(chain, link)
    return chain


def told(*steps: tuple[float, int | None, int]) -> BalanceChain:
    """Return the chain of these changes: minute, before, after."""
    return chained(
        [
            DatedChange(
                NOW + timedelta(minutes=minute),
                BalanceChange(None if before is None else Decimal(before), Decimal(new)),
            )
            for minute, before, new in steps
        ]
    )


@given(st.lists(LINKS, max_size=20), st.randoms(use_true_random=False))
def test_any_order_any_repetition_the_same_chain(links: list[DatedChange], chance: Any) -> None:
    """A shuffled history with repeats keeps the links that the plain one keeps."""
    shuffled = links + chance.choices(links, k=len(links)) if links else []
    chance.shuffle(shuffled)
    assert chained(shuffled) == chained(links)


@given(st.lists(LINKS, max_size=20))
def test_only_the_newest_links_are_kept(links: list[DatedChange]) -> None:
    """Six at most, in order, none before the newest reading."""
    chain = chained(links)
    assert len(chain) <= KEPT
    assert list(chain) == sorted(chain, key=lambda link: link.at)
    assert not any(link.is_anchor for link in chain[1:])


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=6), st.data())
def test_a_history_without_a_gap_is_whole_and_with_one_is_not(steps: list[int], data: st.DataObject) -> None:
    """Every change finds what the last one left; where one is taken out whose balance mattered, it shows."""
    balance, links = 0, []
    for minute, step in enumerate(steps):
        links.append((float(minute), balance, balance + step))
        balance += step
    assert not has_gap(told(*links))
    if len(links) > 2:
        lost = data.draw(st.integers(1, len(links) - 2))
        assert has_gap(told(*links[:lost], *links[lost + 1 :])) is (
            steps[lost] != 0 and not _twins(links, lost)
        )


def _twins(links: list[tuple[float, int, int]], lost: int) -> bool:
    """Return whether the changes around the lost one are equal, as when two topics report one expiry."""
    return links[lost - 1][1:] == links[lost + 1][1:]


@pytest.mark.parametrize(
    ("chain", "hole"),
    [
        (told(), False),
        (told((0, 5, 10)), False),
        (told((0, 5, 10), (1, 10, 3)), False),
        (told((0, 5, 10), (1, 9, 3)), True),
        # within a millisecond: in whichever order they meet
        (told((0, 5, 10), (0, 0, 5), (1, 10, 3)), False),
        (told((0, 0, 5), (1, 10, 3), (1, 5, 10), (2, 3, 1)), False),
        (told((0, 0, 5), (1, 10, 3), (1, 6, 10)), True),
        # an expiry reported under both topics
        (told((0, 10, 5), (1, 10, 5), (2, 5, 4)), False),
        # a reading, and what it may have seen already
        (told((0, None, 10), (1, 10, 3)), False),
        (told((0, None, 3), (1, 10, 3)), False),
        (told((0, None, 3), (1, 10, 3), (2, 3, 1)), False),
        (told((0, None, 4), (1, 10, 3)), True),
        (told((0, None, 3), (READ_WITHIN / timedelta(minutes=1) + 1, 10, 3)), True),
        # changes before a reading do not count
        (told((0, 0, 1), (1, 5, 6), (2, None, 10)), False),
    ],
)
def test_holes(chain: BalanceChain, *, hole: bool) -> None:
    """A hole is a change that does not find what the one before it left."""
    assert has_gap(chain) is hole


def test_facts_put_links_into_the_record() -> None:
    """A change is a link as of its event; whatever is older than a reading goes when the reading comes."""
    member = Member(shop=SHOP, customer_id="1")
    first = Facts(event_id="a" * 32, at=NOW, change=BalanceChange(Decimal(0), Decimal(5)))
    member = merge(merge(member, first), first)
    assert member.chain == (DatedChange(NOW, BalanceChange(Decimal(0), Decimal(5))),)
    reading = Facts(event_id="api-1", at=NOW + timedelta(minutes=1), change=BalanceChange(None, Decimal(7)))
    assert [link.change.new for link in merge(member, reading).chain] == [Decimal(7)]
