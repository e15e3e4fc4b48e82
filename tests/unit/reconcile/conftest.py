"""A reconciler that knows one member, for each test its own."""

from __future__ import annotations

import pytest

from tests.support.port_fakes import NOW
from tests.unit.reconcile.reconciler import HOUR, Bench


@pytest.fixture
def bench() -> Bench:
    """Return a bench with a member of whom everything but the address is known."""
    bench = Bench()
    bench.tell(-60, tier_id="t1", tier_name="Gold", joined_at=NOW - HOUR)
    return bench
