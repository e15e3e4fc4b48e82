"""How long a few errors of a CRM delay its synchronisation, in virtual time: hardly longer than the errors last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scripts import prove_mirrors


def play(*errors: float) -> dict[str, Any]:
    """Run with many members and one 503 at each of these seconds; return the figures."""
    found = prove_mirrors.prove(
        400, 1000, batch=100, errors=[timedelta(seconds=seconds) for seconds in errors]
    )
    assert set(found["broken"]) <= {"profile_calls", "note_calls"}, "at this size a partial call weighs"
    return found


@pytest.fixture(scope="module")
def calm() -> dict[str, Any]:
    """Return the figures of a run without errors."""
    return play()


def test_a_single_503(calm: dict[str, Any]) -> None:
    """It costs five seconds until the probe, and as much again for the messages that met the probe."""
    found = play(1)
    assert found["virtual_seconds"] - calm["virtual_seconds"] <= 12
    assert found["all_calls"] - calm["all_calls"] <= 3, "the failed call, the probe, and a last call"


def test_three_in_a_row(calm: dict[str, Any]) -> None:
    """Each failed probe doubles the wait, and no more than that."""
    found = play(1, 2, 3)
    assert found["virtual_seconds"] - calm["virtual_seconds"] <= 45
    assert found["deferred"] <= 5 * found["updates"], "a message is deferred a few times, and not for ever"
