"""reconcile: a member whose record may be wrong is read from Inveterate's API, if the doubt still stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring import platform, queue


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Look at the members that a batch of doubts names."""
    return queue.settle(event, context, platform.reconciling)
