"""The queue that a function reads, and how its messages are settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from relay.errors import MisconfiguredError
from relay.wiring import common

if TYPE_CHECKING:
    from relay.adapters.aws.sqs import SqsSource
    from relay.queues.batch import Batch, Context, Message, Results


@cache
def source() -> SqsSource:
    """Return the queue that this function reads."""
    from relay.adapters.aws.sqs import SqsSource

    return SqsSource(common.setting("SOURCE_URL"), common.setting("SOURCE_NAME"))


@cache
def batch() -> Batch:
    """Return how this function's messages are settled."""
    from relay.queues.batch import Batch

    def log(outcome: str, message: Message, error: Exception) -> None:
        common.telemetry().outcome(
            outcome,
            error=type(error).__name__,
            # The texts of our own errors hold no value of a message; those of others might.
            reason=str(error) if type(error).__module__ == "relay.errors" else None,
            message_id=message.id,
            event_id=message.header.event_id,
            topic=message.header.topic,
            receives=message.receives,
            deferrals=message.deferrals,
        )

    return Batch(
        source=source(),
        dead_letters=common.dead_letters(),
        clock=common.now,
        log=log,
        observe_deferred=observe_deferred,
    )


def observe_deferred(age: timedelta, errors: Sequence[Exception]) -> None:
    """Measure what waits, for the alarms on a target: how long by now, and whether for a person's mending.

    A message that is put off is a new one to SQS, so the queue's own age says nothing of an outage.
    """
    shop = common.setting("SHOP_DOMAIN")
    common.telemetry().measure("Lag", age.total_seconds(), "Seconds", shop=shop)
    if any(isinstance(error, MisconfiguredError) for error in errors):
        common.telemetry().measure("Misconfigured", 1, shop=shop)


class Worker(Protocol):
    """Who works on a batch of messages."""

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Answer each message; None where it is done with."""
        ...


def settle(event: Mapping[str, Any], context: Context, worker: Callable[[], Worker]) -> dict[str, Any]:
    """Have the messages of Lambda's event worked on; return which of them are to come again.

    The worker is made when there is work: a missing setting then puts the messages off, and spends none of
    their receives.
    """

    def work(messages: Sequence[Message], context: Context) -> Results:
        return worker().work(messages, context)

    try:
        return batch().run(event, context, work)
    finally:
        common.telemetry().flush()
