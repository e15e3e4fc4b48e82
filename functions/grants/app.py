"""grants: store credit for a valuable member who is about to leave, once, where the merchant wants that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relay.batch import Answers, Context, Message
from relay.wiring import common, platform, queue


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Grant what a batch of messages asks for."""
    try:
        return queue.batch().run(event, context, _work)
    finally:
        common.telemetry().flush()


def _work(messages: Sequence[Message], context: Context) -> Answers:
    # Wired inside the work: a missing setting then puts the messages off and spends none of their receives.
    return platform.granting().work(messages, context)
