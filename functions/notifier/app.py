"""Alerts: tell people once about each matter, by every channel that the merchant has set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.queues.batch import Context
from relay.wiring.functions import NotifierServices
from relay.wiring.services import run_batch


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Tell what a batch of the alerts queue says; return what is to come again."""
    return run_batch(event, context, NotifierServices)
