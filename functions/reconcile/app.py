"""reconcile: a member whose record may be wrong is read from Inveterate's API, if the doubt still stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relay.batch import Answers, Context, Message
from relay.wiring import common, platform, queue


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Look at the members that a batch of doubts names."""
    try:
        return queue.batch().run(event, context, _work)
    finally:
        common.telemetry().flush()


def _work(messages: Sequence[Message], context: Context) -> Answers:
    # Wired inside the work: a missing setting then puts the messages off and spends none of their receives.
    return platform.reconciling().work(messages, context)
