"""Cycles of failures, recoveries, losses and rejoinings: read from the milestones, the same in every order of arrival."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay.model.milestones import (
    FOUND,
    KEPT,
    Milestone,
    MilestoneKind,
    Milestones,
    add,
    decode,
    encode,
    read,
    tier_key,
)
from relay.model.stamps import Stamp

from tests.support.in_memory_relay import day

CODES: dict[str, Milestone] = {
    "J": Milestone(kind="joined", detail="paid", tier="a"),
    "T": Milestone(kind="joined", detail="trial"),
    "B": Milestone(kind="joined", detail=FOUND),
    "M": Milestone(kind="moved", tier="b"),
    "D": Milestone(kind="moved", detail="free", tier="f"),
    "F": Milestone(kind="failed", amount=Decimal(50), currency="USD"),
    "L": Milestone(kind="failed", amount=Decimal(50), currency="USD"),
    "P": Milestone(kind="paid", amount=Decimal(50), currency="USD"),
    "p": Milestone(kind="paid", amount=Decimal(20), currency="USD"),
    "y": Milestone(kind="paid", amount=Decimal(20), currency="JPY"),
    "E": Milestone(kind="ended", detail="involuntary", tier="a"),
    "e": Milestone(kind="ended", detail="voluntary"),
    "u": Milestone(kind="ended"),
    "O": Milestone(kind="ended", detail="involuntary", tier="other"),
    "Q": Milestone(kind="paid", amount=Decimal(50), currency="USD", tier="other"),
}
RANK: dict[MilestoneKind, int] = {"failed": 4, "paid": 6, "ended": 7, "moved": 8, "joined": 9}


def placed(code: str, at: datetime, attempt: int = 0) -> Milestone:
    rank = 5 if code == "L" else RANK[CODES[code].kind]
    return CODES[code].stamped(Stamp.of(at, "", rank=rank, ordinal=attempt))


MARKS = st.builds(placed, st.sampled_from(sorted(CODES)), st.integers(0, 30).map(day), st.integers(0, 4))


def added(history: Iterable[Milestone]) -> Milestones:
    made: Milestones = ()
    for mark in history:
        made = add(made, mark)
    return made


def written(story: str) -> Milestones:
    """Return the milestones of a story: one code a day."""
    return added(placed(code, day(number)) for number, code in enumerate(story, start=1) if code != " ")


def days(found: Iterable[Any]) -> list[tuple[int, int]]:
    """Return the days of pairs."""
    return [tuple((one.at - day(0)).days for one in (pair.earlier, pair.later)) for pair in found]


@pytest.mark.parametrize(
    ("story", "recovered", "lost", "rejoined"),
    [
        ("", [], [], []),
        ("JPP", [], [], []),
        ("JPFFP", [(3, 5)], [], []),
        ("JFPFFFP", [(2, 3), (4, 7)], [], []),
        ("JFPFFF", [(2, 3)], [], []),
        ("JFEP", [], [(2, 3)], []),
        ("JFuJ", [], [(2, 3)], [(3, 4)]),
        ("JFeJ", [], [], [(3, 4)]),
        ("JEFP", [], [], []),
        ("JEBFP", [(4, 5)], [], []),
        ("JFBP", [(2, 4)], [], []),
        ("JFJP", [], [], []),
        ("JFTP", [], [], []),
        ("JFDP", [], [], []),
        ("JFMP", [(2, 4)], [], []),
        # a part recovers nothing; an amount in another currency cannot be compared
        ("JFp", [], [], []),
        ("JFpP", [(2, 4)], [], []),
        ("JFy", [(2, 3)], [], []),
        # of another tier
        ("JFO", [], [], []),
        ("JFOP", [(2, 4)], [], []),
        ("JFQ", [], [], []),
        ("JOJ", [], [], []),
        ("JMEJ", [], [], []),
        ("OJ", [], [], [(1, 2)]),
        ("JTOJ", [], [], [(3, 4)]),
        ("JEJ", [], [], [(2, 3)]),
        ("JEEJJ", [], [], [(2, 4)]),
        ("JEBJ", [], [], [(2, 4)]),
        ("JEDJ", [], [], [(2, 4)]),
    ],
)
def test_pairs_of_a_story(
    story: str,
    recovered: list[tuple[int, int]],
    lost: list[tuple[int, int]],
    rejoined: list[tuple[int, int]],
) -> None:
    """One letter a day (`CODES`): each pair by the day of the first failure or ending, and of what closed it."""
    found = read(written(story))
    assert (days(found.recoveries), days(found.losses), days(found.rejoinings)) == (recovered, lost, rejoined)


@pytest.mark.parametrize(
    ("failures", "sizes", "attempts"),
    [
        ([("F", 0, 1), ("F", 24, 2), ("F", 48, 3), ("L", 48.1, 3)], [4], 3),
        ([("F", 0, 1), ("F", 24, 2), ("F", 720, 1)], [2, 1], 1),
        ([("F", 0, 1), ("F", 720, 1)], [2], 1),
        ([("L", 0, 3), ("F", 1, 1)], [1, 1], 1),
        ([("L", 0, 0), ("F", 71, 0)], [2], 1),
        ([("L", 0, 0), ("F", 73, 0)], [1, 1], 1),
        ([("F", 0, 0), ("F", 24, 0), ("L", 48, 0)], [3], 2),
        ([("L", 0, 0)], [1], 1),
    ],
)
def test_cycles(failures: list[tuple[str, float, int]], sizes: list[int], attempts: int) -> None:
    """Hours and attempts of failures; the next cycle starts as rules.md says. A failure without a number counts as one."""
    marks = [placed(code, day(1) + timedelta(hours=hours), attempt) for code, hours, attempt in failures]
    cycles = read(added(marks)).cycles
    assert [len(cycle.failures) for cycle in cycles] == sizes
    assert (cycles[-1].attempts, cycles[-1].outcome) == (attempts, "open")
    assert {cycle.outcome for cycle in cycles[:-1]} <= {"next"}


@pytest.mark.parametrize(
    ("hours", "number", "is_one"), [(1, 3, True), (36, 3, True), (37, 3, False), (1, 2, False), (1, 0, True)]
)
def test_the_last_attempt_and_the_final_failure_are_one(hours: float, number: int, *, is_one: bool) -> None:
    """From either side, within 36 hours, by the number of the attempt where both have one."""
    attempt = placed("F", day(1), number)
    final = placed("L", day(1) + timedelta(hours=hours), 3)
    [cycle] = read(added([attempt, final])).cycles
    assert (cycle.counterpart(final) == attempt) is is_one
    assert (cycle.counterpart(attempt) == final) is is_one


@given(st.lists(MARKS, max_size=40), st.randoms(use_true_random=False))
def test_any_order_any_repetition_the_same_milestones(
    history: list[Milestone], chance: random.Random
) -> None:
    """Commutative, associative, idempotent: the newest of each kind stay, in every order of arrival."""
    shuffled = history + chance.choices(history, k=len(history)) if history else []
    chance.shuffle(shuffled)
    assert added(shuffled) == added(history)


@given(st.lists(st.sampled_from("JEFP"), max_size=120).map("".join), st.randoms(use_true_random=False))
def test_forgetting_never_invents_and_within_the_bounds_nothing_is_forgotten(
    story: str, chance: random.Random
) -> None:
    """Pairs of the kept milestones are pairs of the whole history; the same pairs while no kind is over its bound."""
    marks = [placed(code, day(number)) for number, code in enumerate(story, start=1)]
    whole = read(tuple(marks))
    chance.shuffle(marks)
    kept = read(added(marks))
    counts = {kind: sum(mark.kind == kind for mark in marks) for kind in KEPT}
    is_within = all(counts[kind] <= most for kind, most in KEPT.items())
    for name in ("recoveries", "losses", "rejoinings"):
        assert set(getattr(kept, name)) <= set(getattr(whole, name))
        assert not is_within or getattr(kept, name) == getattr(whole, name)


def test_the_bounds_are_reached() -> None:
    """Forty rejoinings, and a recovery with eleven payments after it, are still known; one more is too many."""
    assert len(read(written("JE" * 39 + "J")).rejoinings) == 39
    assert len(read(written("EJ" * 40)).rejoinings) == 40
    assert days(read(written("FP" + "P" * 11)).recoveries) == [(1, 2)]
    assert days(read(written("FP" + "P" * 12)).recoveries) == []
    assert len(read(written("FP" * 12)).recoveries) == 12


def test_a_long_open_cycle_stays_open() -> None:
    """More failures than are kept: the fee is still open."""
    [cycle] = read(written("F" * 30)).cycles
    assert (cycle.outcome, len(cycle.failures)) == ("open", KEPT["failed"] + 1)


@given(st.lists(MARKS, max_size=40))
def test_what_is_stored_is_read_back(history: list[Milestone]) -> None:
    """Encoding and decoding give the same milestones."""
    known = added(history)
    assert decode(encode(known)) == known
    for days in (0, 31, 366):
        dated = tuple(replace(each, days=days) for each in known)
        assert decode(encode(dated)) == dated


@pytest.mark.parametrize(
    ("details", "stands"),
    [
        (("", "unknown"), "unknown"),
        (("", "merchant"), "merchant"),
        (("unknown", "involuntary"), "involuntary"),
        (("unknown", "voluntary", "merchant", ""), "voluntary"),
    ],
)
def test_one_end_has_one_word_in_any_order(details: tuple[str, ...], stands: str) -> None:
    """A documented word stands over none and over another; of two documented ones it is the same for all orders."""
    stamp = Stamp.of(day(3), "", rank=7)
    told = [Milestone(kind="ended", detail=detail, tier="gold").stamped(stamp) for detail in details]
    other = Milestone(kind="ended", detail="merchant", tier="silver").stamped(stamp)
    for order in permutations([*told, other]):
        endings = {each.tier: each.detail for each in added(order)}
        assert (len(added(order)), endings) == (2, {"gold": stands, "silver": "merchant"})


def test_a_hostile_tier_breaks_nothing() -> None:
    """The separators of the stored text in a tier's id, and an id of any length."""
    hostile = replace(placed("J", day(1)), tier="a;b|c" + "x" * 1000)
    assert decode(encode((hostile,))) == (hostile,)
    assert len(hostile.tier or "") == 40


def test_two_long_tier_ids_that_begin_alike_are_two() -> None:
    """And what was kept once is kept as it is: it is read, and written, again and again."""
    ids = [
        f"gid://inveterate/MembershipTier/{number}" for number in (773354052006, 7733540520067, 7733540520068)
    ]
    kept = [tier_key(each) for each in ids]
    assert len(set(kept)) == len(ids)
    assert [tier_key(each) for each in kept] == kept
    assert tier_key("\ud800" * 50)
    assert (tier_key(" 3a636361;b|c "), tier_key(" "), tier_key(None)) == ("3a636361_b_c", None, None)
