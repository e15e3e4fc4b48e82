"""crm_sync: members that changed are written to one CRM, as they are now, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from relay.queues.batch import Context
from relay.wiring import common, mirrors, queue

if TYPE_CHECKING:
    from relay.crm.sync import CrmSync


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Write the members that a batch of change messages names."""
    return queue.settle(event, context, _crm_sync)


def _crm_sync() -> CrmSync:
    common.telemetry().metrics.add_dimension(name="target", value=common.setting("TARGET"))
    return mirrors.crm_sync()
