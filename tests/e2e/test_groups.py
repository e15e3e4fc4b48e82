"""Tests that share a stage run one after the other in one worker: else each worker would deploy a stage of its own."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.xdist_group("local-aws")


def test_a_group_is_known_to_who_hands_out_the_tests(request: pytest.FixtureRequest) -> None:
    """pytest-xdist goes by a suffix of the test's id, which not every pytest lets it write."""
    assert "PYTEST_XDIST_WORKER" not in os.environ or request.node.nodeid.endswith("@local-aws")
