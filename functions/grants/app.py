"""grants: store credit for a high-value member's pending cancellation, once, where the merchant wants that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring.functions import GrantServices
from relay.wiring.services import run_batch


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Grant what a batch of requests asks for."""
    return run_batch(event, context, GrantServices)
