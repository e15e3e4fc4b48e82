"""Recoveries and returns: read from a few marks, the same in whatever order they came."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.model.milestones import (
    KEPT,
    Milestone,
    MilestoneKind,
    Milestones,
    add,
    decode,
    encode,
    recovered_at,
    rejoin_times,
)

from tests.support.in_memory_relay import day

CODES: dict[str, MilestoneKind] = {"E": "ended", "F": "failed", "J": "joined", "P": "paid"}

marks = st.builds(Milestone, st.integers(0, 30).map(day), st.sampled_from(get_args(MilestoneKind)))


def written(story: str) -> Milestones:
    """Return the marks of a story: one letter a day."""
    made: Milestones = ()
    for number, code in enumerate(story, start=1):
        if code != " ":
            made = add(made, Milestone(day(number), CODES[code]))
    return made


def days_of(moments: tuple[datetime, ...]) -> list[int]:
    """Return on which days of the story these moments are."""
    return [(moment - day(1)) // timedelta(days=1) + 1 for moment in moments]


@pytest.mark.parametrize(
    ("story", "recovered", "returned"),
    [
        ("", None, []),
        ("JPP", None, []),
        ("JPFFP", 5, []),
        ("JFPFFFP", 7, []),
        ("JFPPPP", 3, []),
        ("JFEP", None, []),
        ("JFJP", None, []),
        ("JEJ", None, [3]),
        ("JEJFPEPJ", 5, [3, 8]),
        ("JEEJJ", None, [4]),
        ("FPPPPPP", None, []),
        ("JEJEJEJEJEJEJEJ", None, [7, 9, 11, 13, 15]),
    ],
)
def test_what_a_story_says(story: str, recovered: int | None, returned: list[int]) -> None:
    """J joined, P paid, F failed, E ended, a day each; what lies too far back is forgotten, never misread."""
    known = written(story)
    assert days_of(rejoin_times(known)) == returned
    at = recovered_at(known)
    assert (days_of((at,))[0] if at else None) == recovered


@given(st.lists(marks, max_size=40), st.randoms(use_true_random=False))
def test_any_order_any_number_the_same_marks(told: list[Milestone], chance: Any) -> None:
    """Commutative, associative, idempotent: the newest of each kind stay, whoever came first."""
    shuffled = told + chance.choices(told, k=len(told)) if told else []
    chance.shuffle(shuffled)
    plain: Milestones = ()
    for mark in told:
        plain = add(plain, mark)
    other: Milestones = ()
    for mark in shuffled:
        other = add(other, mark)
    assert plain == other
    assert all(len([mark for mark in plain if mark.kind == kind]) <= most for kind, most in KEPT.items())


@given(st.lists(marks, max_size=40))
def test_forgetting_never_invents(told: list[Milestone]) -> None:
    """What the kept marks call a recovery or a return is one in the whole history as well."""
    whole = tuple(sorted(set(told), key=lambda mark: mark.number))
    kept: Milestones = ()
    for mark in told:
        kept = add(kept, mark)
    recoveries = {two.at for one, two in pairwise(whole) if (one.kind, two.kind) == ("failed", "paid")}
    assert recovered_at(kept) in recoveries | {None}
    about = [mark for mark in whole if mark.kind in {"ended", "joined"}]
    backs = {two.at for one, two in pairwise(about) if (one.kind, two.kind) == ("ended", "joined")}
    assert set(rejoin_times(kept)) <= backs


@given(st.lists(marks, max_size=40))
def test_six_bytes_each(told: list[Milestone]) -> None:
    """What is written is read again, and takes what it should."""
    known = tuple(sorted(set(told), key=lambda mark: mark.number))
    assert decode(encode(known)) == known
    assert len(encode(known)) == 6 * len(known)
