"""How the SDK's property tests run: the same examples each time, none stored, no stopwatch; and a platform to grant at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.sdk.ledger_server import Served, serving

settings.register_profile(
    "sdk",
    deadline=None,  # a busy machine is no bug
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # the first example builds Unicode tables
)
settings.load_profile("sdk")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Return a platform behind a real server."""
    with serving() as it:
        yield it
