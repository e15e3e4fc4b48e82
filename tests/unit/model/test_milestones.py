"""Recoveries and rejoinings: read from a few milestones, the same in every order of arrival."""

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
    """Return the milestones of a story: one letter a day."""
    made: Milestones = ()
    for number, code in enumerate(story, start=1):
        if code != " ":
            made = add(made, Milestone(day(number), CODES[code]))
    return made


def days_of(moments: tuple[datetime, ...]) -> list[int]:
    """Return on which days of the story these moments are."""
    return [(moment - day(1)) // timedelta(days=1) + 1 for moment in moments]


@pytest.mark.parametrize(
    ("story", "recovered", "rejoined"),
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
def test_recoveries_and_rejoinings_of_a_story(story: str, recovered: int | None, rejoined: list[int]) -> None:
    """J joined, P paid, F failed, E ended, a day each; older milestones are forgotten, never misread."""
    known = written(story)
    assert days_of(rejoin_times(known)) == rejoined
    at = recovered_at(known)
    assert (days_of((at,))[0] if at else None) == recovered


@given(st.lists(marks, max_size=40), st.randoms(use_true_random=False))
def test_any_order_any_repetition_the_same_milestones(history: list[Milestone], chance: Any) -> None:
    """Commutative, associative, idempotent: the newest of each kind stay, in every order of arrival."""
    shuffled = history + chance.choices(history, k=len(history)) if history else []
    chance.shuffle(shuffled)
    plain: Milestones = ()
    for mark in history:
        plain = add(plain, mark)
    other: Milestones = ()
    for mark in shuffled:
        other = add(other, mark)
    assert plain == other
    assert all(len([mark for mark in plain if mark.kind == kind]) <= most for kind, most in KEPT.items())


@given(st.lists(marks, max_size=40))
def test_forgetting_never_invents(history: list[Milestone]) -> None:
    """A recovery or rejoining of the kept milestones is one of the whole history as well."""
    whole = tuple(sorted(set(history), key=lambda mark: mark.number))
    kept: Milestones = ()
    for mark in history:
        kept = add(kept, mark)
    recoveries = {two.at for one, two in pairwise(whole) if (one.kind, two.kind) == ("failed", "paid")}
    assert recovered_at(kept) in recoveries | {None}
    memberships = [mark for mark in whole if mark.kind in {"ended", "joined"}]
    rejoinings = {two.at for one, two in pairwise(memberships) if (one.kind, two.kind) == ("ended", "joined")}
    assert set(rejoin_times(kept)) <= rejoinings


@given(st.lists(marks, max_size=40))
def test_six_bytes_each(history: list[Milestone]) -> None:
    """Encoding and decoding give the same milestones, in six bytes each."""
    known = tuple(sorted(set(history), key=lambda mark: mark.number))
    assert decode(encode(known)) == known
    assert len(encode(known)) == 6 * len(known)
