"""A reconciler that knows one member, for each test its own."""

from __future__ import annotations

import pytest

from tests.support.port_fakes import NOW
from tests.unit.reconcile.reconcile_setup import HOUR, ReconcileSetup


@pytest.fixture
def setup() -> ReconcileSetup:
    """Return a setup with a member of whom everything but the address is known."""
    setup = ReconcileSetup()
    setup.tell(-60, tier_id="t1", tier_name="Gold", joined_at=NOW - HOUR)
    return setup
