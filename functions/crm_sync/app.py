"""crm_sync: members that changed are written to one CRM, as they are now, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring.crms import CrmServices
from relay.wiring.services import run_batch


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Write the members that a batch of change messages names."""
    return run_batch(event, context, CrmServices)
