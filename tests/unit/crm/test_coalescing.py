"""What waits for a fuller batch: nothing twice, nothing in vain, and at most half a call of notes."""

from __future__ import annotations

import pytest
from relay.crm import coalescing


@pytest.mark.parametrize(
    ("stale", "waited", "deferred"),
    [
        ("abcdef", "", ""),  # two full calls
        ("abcde", "", "de"),  # one full call, and two for the next
        ("abcde", "de", "bc"),  # a member that has waited is sent now, in a full call
        ("abcde", "abcd", ""),  # one alone would leave the same partial call
        ("ab", "", "ab"),
    ],
)
def test_members(stale: str, waited: str, deferred: str) -> None:
    """The surplus of calls of three waits: the last members that have not waited, unless that fills no call."""
    assert coalescing.deferred_members(stale, waited, 3) == set(deferred)


@pytest.mark.parametrize(
    ("counts", "waited", "deferred"),
    [
        ({"a": 2, "b": 2}, "", ""),  # a full call of four
        ({"a": 4, "b": 1}, "", "b"),
        ({"a": 4, "b": 1, "c": 1}, "c", ""),  # the other alone would leave the same partial call
        ({"a": 3, "b": 1, "c": 1}, "c", "b"),
        ({"a": 4, "b": 3}, "", ""),  # three quarters of a call are not deferred
        ({"a": 4, "b": 2}, "", "b"),
        ({"a": 3, "b": 2}, "", ""),  # no message has exactly the surplus
    ],
)
def test_notes(counts: dict[str, int], waited: str, deferred: str) -> None:
    """The newest messages wait whose notes are exactly the surplus of calls of four, at most half a call."""
    assert coalescing.deferred_notes(counts, waited, 4) == set(deferred)
