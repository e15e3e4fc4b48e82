"""reconcile: members are read from Inveterate's API, one whose record may be wrong or all of them, and the subscriptions too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring.functions import ReconcileServices
from relay.wiring.services import run_batch


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Recheck the members that a batch names, and go on with the full run."""
    return run_batch(event, context, ReconcileServices)
