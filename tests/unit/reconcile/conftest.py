"""A reconciler with one member, new for each test."""

from __future__ import annotations

import pytest

from tests.support.port_fakes import NOW
from tests.unit.reconcile.reconcile_setup import HOUR, ReconcileSetup


@pytest.fixture
def setup() -> ReconcileSetup:
    """Return a setup with one member; only the address is missing."""
    setup = ReconcileSetup()
    setup.tell(-60, tier_id="t1", tier_name="Gold", joined_at=NOW - HOUR)
    return setup
