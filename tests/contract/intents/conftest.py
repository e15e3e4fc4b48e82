"""AWS in memory, as for the functional tests: one of the stores is a table."""

from __future__ import annotations

from tests.functional.conftest import _aws, _session

__all__ = ["_aws", "_session"]
