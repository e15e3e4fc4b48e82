"""What a CRM's short trouble costs, in seconds of virtual time: hardly more than the trouble itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scripts import prove_mirrors


def played(*stumbles: float) -> dict[str, Any]:
    """Mirror a crowd of members, with a call answered 503 at each of these seconds; return the figures."""
    found = prove_mirrors.prove(
        400, 1000, batch=100, stumbles=[timedelta(seconds=seconds) for seconds in stumbles]
    )
    assert set(found["broken"]) <= {"profile_calls", "note_calls"}, "at this size a half empty call weighs"
    return found


@pytest.fixture(scope="module")
def calm() -> dict[str, Any]:
    """Return the figures of a run without any trouble."""
    return played()


def test_a_single_503(calm: dict[str, Any]) -> None:
    """It costs five seconds, until somebody tries, and as much again for those who met the attempt."""
    found = played(1)
    assert found["virtual_seconds"] - calm["virtual_seconds"] <= 12
    assert found["all_calls"] - calm["all_calls"] <= 3, "the call that failed, the attempt, and a last call"


def test_three_in_a_row(calm: dict[str, Any]) -> None:
    """Each attempt that fails doubles the wait, and no more than that."""
    found = played(1, 2, 3)
    assert found["virtual_seconds"] - calm["virtual_seconds"] <= 45
    assert found["deferred"] <= 5 * found["updates"], "a message goes round a few times, and not for ever"
