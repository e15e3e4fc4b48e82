"""Send people one message per incident, level and outcome, by every channel that the merchant has set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring import people, queue


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Process a batch of the alerts queue; return the messages that come again."""
    return queue.settle(event, context, people.notifier)
