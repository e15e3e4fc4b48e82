"""crm_sync: members that changed are written to one CRM, as they are now, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relay.batch import Answers, Context, Message
from relay.wiring import common, mirrors, queue


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Mirror the members that a batch of change messages names."""
    try:
        return queue.batch().run(event, context, _work)
    finally:
        common.telemetry().flush()


def _work(messages: Sequence[Message], context: Context) -> Answers:
    # Wired inside the work: a missing setting then puts the messages off and spends none of their receives.
    common.telemetry().metrics.add_dimension(name="target", value=common.setting("TARGET"))
    return mirrors.mirroring().work(messages, context)
