"""Who waits for company: nobody twice, nobody in vain, and of notes half a call at most."""

from __future__ import annotations

import pytest
from relay.crm import coalescing


@pytest.mark.parametrize(
    ("stale", "waited", "held"),
    [
        ("abcdef", "", ""),  # two full calls
        ("abcde", "", "de"),  # one full call, and two for the next
        ("abcde", "de", "bc"),  # whoever has waited is sent now, in a full call
        ("abcde", "abcd", ""),  # one alone would leave the same call half empty
        ("ab", "", "ab"),
    ],
)
def test_members(stale: str, waited: str, held: str) -> None:
    """What is over calls of three waits, the last of those who have not waited; unless that fills no call."""
    assert coalescing.members(stale, waited, 3) == set(held)


@pytest.mark.parametrize(
    ("counts", "waited", "held"),
    [
        ({"a": 2, "b": 2}, "", ""),  # a full call of four
        ({"a": 4, "b": 1}, "", "b"),
        ({"a": 4, "b": 1, "c": 1}, "c", ""),  # the other alone would leave the same call half empty
        ({"a": 3, "b": 1, "c": 1}, "c", "b"),
        ({"a": 4, "b": 3}, "", ""),  # three quarters of a call are not held
        ({"a": 4, "b": 2}, "", "b"),
        ({"a": 3, "b": 2}, "", ""),  # nobody's notes make just what is over
    ],
)
def test_notes(counts: dict[str, int], waited: str, held: str) -> None:
    """The newest messages wait whose notes are just what is over calls of four, half a call at most."""
    assert coalescing.notes(counts, waited, 4) == set(held)
