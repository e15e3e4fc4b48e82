"""The loop around a conditional write: it goes by the latest state, and it ends."""

from __future__ import annotations

import pytest
from relay.errors import ConflictError, TransientError
from relay.ports.optimistic import TRIES, retry_conflicts


def test_after_a_conflict_the_state_is_read_again() -> None:
    """The state at hand is used first; each conflict costs one read."""
    seen: list[str] = []
    states = iter(["second", "third"])

    def write(state: str) -> str:
        seen.append(state)
        if state != "third":
            raise ConflictError("written since")
        return state.upper()

    assert retry_conflicts("first", write, lambda: next(states), what="record") == "THIRD"
    assert seen == ["first", "second", "third"]


def test_it_ends() -> None:
    """After so many conflicts the message is deferred; the last conflict costs no read."""
    reads: list[int] = []

    def write(_: int) -> None:
        raise ConflictError("written since")

    def read() -> int:
        reads.append(0)
        return 0

    with pytest.raises(TransientError, match="record"):
        retry_conflicts(0, write, read, what="record")
    assert len(reads) == TRIES - 1
