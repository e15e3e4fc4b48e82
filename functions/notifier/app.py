"""notifier: sends people one message per incident, level and outcome, by every channel that the merchant has set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring.functions import NotifierServices
from relay.wiring.services import run_batch


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Process a batch of the alerts queue; return the messages that come again."""
    return run_batch(event, context, NotifierServices)
