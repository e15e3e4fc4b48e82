"""A low limit of the account's concurrency is told before a deployment, with what to ask for."""

from __future__ import annotations

import pytest
from stack_template.concurrency import ENOUGH, advice


@pytest.mark.parametrize("limit", [10, ENOUGH])
def test_a_low_limit_comes_with_what_to_ask_for(limit: int) -> None:
    """A hundred must be left over, so a hundred is not enough."""
    text = str(advice(limit))
    assert f"runs {limit} functions" in text
    assert "--quota-code L-B99A9384" in text
    assert "--desired-value 1000" in text


def test_a_usual_limit_needs_no_word() -> None:
    """One more than a hundred is the least with which one can be reserved."""
    assert advice(ENOUGH + 1) is None
