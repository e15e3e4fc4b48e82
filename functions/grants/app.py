"""grants: store credit for a valuable member who is about to leave, once, where the merchant wants that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring import platform, queue


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Grant what a batch of messages asks for."""
    return queue.settle(event, context, platform.granting)
