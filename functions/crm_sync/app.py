"""crm_sync: members that changed are written to one CRM, as they are now, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relay.batch import Answers, Context, Message
from relay.wiring import batch, metrics, mirroring


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Mirror the members that a batch of change messages names."""
    try:
        return batch().run(event, context, _work)
    finally:
        if metrics().metric_set:
            metrics().flush_metrics()


def _work(messages: Sequence[Message], context: Context) -> Answers:
    # Wired inside the work: a missing setting then puts the messages off and spends none of their receives.
    return mirroring().work(messages, context)
