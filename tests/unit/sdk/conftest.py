"""Settings of the SDK's property tests, and a platform that grants credits over real sockets."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.sdk.ledger_server import Served, serving

settings.register_profile(
    "sdk",
    deadline=None,  # a busy machine is not a bug
    derandomize=True,  # every run has the same examples
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # the first example builds Unicode tables
)
settings.load_profile("sdk")


# httpcore looks for this package, which is not installed, at each step of a request: a seventh of an asyncio client's time.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # Python's own mark for "there is none"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A platform behind a real server."""
    with serving() as server:
        yield server
