"""reconcile: a member whose record may be wrong is read from Inveterate's API, if the record still contradicts itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring.functions import ReconcileServices
from relay.wiring.services import run_batch


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Recheck the members that a batch of requests names."""
    return run_batch(event, context, ReconcileServices)
