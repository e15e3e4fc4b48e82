"""What the services of all functions share: which adapter stands behind which port, made when it is first used.

A function has one object of services, made from the environment at its first event and kept as long as its
environment lives. Nothing here runs at import. Tests make the objects themselves, set the parts that they
replace, and hand them in with `keep`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, TypeVar

from relay.errors import MisconfiguredError, NotDueError
from relay.model import metrics
from relay.ports.runtime import UncountedTries
from relay.wiring.environment import stack_name
from relay.wiring.settings import QueueSettings, RequestSettings, SourceSettings

if TYPE_CHECKING:
    from relay.adapters.aws.sns import SnsOutgoing
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.adapters.aws.telemetry import PowertoolsTelemetry
    from relay.adapters.dynamodb.kpis import DynamoKpiStore
    from relay.ports.members import MemberStore
    from relay.ports.messaging import Journal, MessageSender
    from relay.ports.runtime import Clock, TryCounter
    from relay.queues.batch import Batch, Context, Message, Results
    from relay.queues.requests import RecheckQueue


def now() -> datetime:
    """Return the wall clock's time."""
    return datetime.now(UTC)


class Services(Protocol):
    """The services of one kind of function."""

    @classmethod
    def from_env(cls) -> Self:
        """Make them from the environment.

        Raises:
            MisconfiguredError: it names every setting that is wrong.

        """
        ...


_Kind = TypeVar("_Kind", bound=Services)
_kept: Final[dict[type[Any], Any]] = {}


def service(kind: type[_Kind]) -> _Kind:
    """Return the services of this kind that the environment has, made at the first call.

    Raises:
        MisconfiguredError: it names every setting that is wrong; nothing is kept then.

    """
    if kind not in _kept:
        _kept[kind] = kind.from_env()
    found: _Kind = _kept[kind]
    return found


def keep(services: Services) -> None:
    """Make `service` return these from now on."""
    _kept[type(services)] = services


def forget() -> None:
    """End the connections of all services that are kept, and keep none."""
    for services in _kept.values():
        services.close()
    _kept.clear()


class BaseServices:
    """What every function needs: its log and metrics, and a way to end connections."""

    function: ClassVar[str]
    """The function's folder, by which its metrics are chosen."""

    def __init__(self, shop: str) -> None:
        self.shop = shop

    @cached_property
    def clock(self) -> Clock:
        """The wall clock."""
        return now

    @cached_property
    def telemetry(self) -> PowertoolsTelemetry:
        """The log and the metrics."""
        from relay.adapters.aws.telemetry import PowertoolsTelemetry

        return PowertoolsTelemetry(self.function, stack_name())

    def close(self) -> None:
        """End the connections that were made; most functions have none that need it."""


class Worker(Protocol):
    """Works on a batch of messages."""

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Return each message's error, None for success."""
        ...


class QueueServices(BaseServices):
    """The services of a function that a queue feeds."""

    def __init__(self, queue: QueueSettings) -> None:
        super().__init__(queue.shop)
        self.queue = queue

    @property
    def worker(self) -> Worker:
        """Works on the function's messages. A topic has none: its consumer is made of the topic's rule."""
        raise NotImplementedError("a topic's consumer works on its messages")

    def run(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Work on the messages of Lambda's event; return its partial response."""
        return self.batch.run(event, context, self._work)

    def _work(self, messages: Sequence[Message], context: Context) -> Results:
        # The worker is made here: a setting that its parts refuse then defers the messages.
        results = self.worker.work(messages, context)
        self.observe_work(messages, results)
        return results

    def observe_work(self, messages: Sequence[Message], results: Results) -> None:
        """Measure a piece of work that was done; most functions measure nothing here."""

    @cached_property
    def batch(self) -> Batch:
        """Decides how each message ends."""
        batch = _batch(self.own_queue, self.dead_letters, self.telemetry, self.clock)
        return replace(batch, tries=self.tries)

    @cached_property
    def tries(self) -> TryCounter:
        """Counts the tries of suspect messages."""
        if not self.queue.tries_table:
            return UncountedTries()
        from relay.adapters.dynamodb.tries import DynamoTries

        return DynamoTries(self.queue.tries_table, self.clock)

    @cached_property
    def own_queue(self) -> SqsOutgoing:
        """The queue that this function reads."""
        return queue_at(self.queue.source_url, self.queue.source_name)

    @cached_property
    def dead_letters(self) -> MessageSender:
        """The queue of what was given up."""
        return queue_at(self.queue.dead_letters_url, "dead letters")

    @cached_property
    def members(self) -> MemberStore:
        """The members table."""
        return members_table(self.queue.members_table, self.shop)


LOGGED_EVENTS: Final = 100
LOGGED_REASONS: Final = 10
"""Event ids and reasons in one line `deferred`; a batch of 1,000 messages would otherwise be 40 KB of log."""

_LAST_SECONDS: Final = 0.5
"""What is left of an invocation after its last call to AWS, to answer Lambda."""


def limit_calls(context: Context) -> None:
    """End every call to AWS, with the pauses between its tries, before the end of this invocation."""
    from relay.adapters.aws.client import aws

    aws().ends_at = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _LAST_SECONDS


def run_batch(event: Mapping[str, Any], context: Context, kind: type[QueueFunction]) -> dict[str, Any]:
    """Work on Lambda's event with the function's services; while settings are wrong, defer all of its messages."""
    limit_calls(context)
    try:
        services = service(kind)
    except MisconfiguredError as error:
        return defer_all(event, context, error, kind.function)
    return services.run(event, context)


class QueueFunction(Services, Protocol):
    """Services that work on a batch."""

    function: ClassVar[str]

    def run(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Work on the messages of Lambda's event."""
        ...


def defer_all(
    event: Mapping[str, Any], context: Context, error: MisconfiguredError, function: str
) -> dict[str, Any]:
    """Defer a batch whose function has wrong settings, so that it spends no receives until a person corrects them.

    Only without SOURCE_URL the messages are returned: then there is no queue to send delayed copies to.
    """
    from relay.adapters.aws.telemetry import PowertoolsTelemetry

    source = SourceSettings.from_env()
    telemetry = PowertoolsTelemetry(function, stack_name())
    # What is too old to be deferred is returned: where dead letters go may be the very setting that is wrong.
    batch = _batch(queue_at(source.source_url, source.source_name), _UnreachableQueue(error), telemetry, now)

    def refuse(_messages: Sequence[Message], _context: Context) -> Results:
        raise error

    return batch.run(event, context, refuse)


class _UnreachableQueue:
    """A queue that cannot be reached, because of this error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def send(self, messages: Sequence[object]) -> Sequence[Exception | None]:
        """Refuse each message."""
        return [self._error] * len(messages)


def _batch(
    source: SqsOutgoing, dead_letters: MessageSender, telemetry: PowertoolsTelemetry, clock: Clock
) -> Batch:
    from relay.adapters.aws.sqs import SqsSource
    from relay.queues.batch import Batch

    def log(outcome: metrics.Outcome, message: Message, error: Exception) -> None:
        telemetry.outcome(
            outcome,
            error=type(error).__name__,
            reason=_reason(error),
            message_id=message.id,
            event_id=message.header.event_id,
            topic=message.header.topic,
            receives=message.receives,
            deferrals=message.deferrals,
        )

    def observe(deferred: Sequence[tuple[Message, Exception]]) -> None:
        _log_deferred(telemetry, deferred)
        now = clock()
        # What is not due yet waits by plan: it says nothing of a server that is down.
        ages = [now - m.waiting_since for m, error in deferred if not isinstance(error, NotDueError)]
        if ages:
            telemetry.measure(metrics.WAITING_AGE, max(ages).total_seconds())
        if any(isinstance(error, MisconfiguredError) for _, error in deferred):
            telemetry.measure(metrics.MISCONFIGURED, 1)

    return Batch(
        source=SqsSource(source.url, source.name),
        dead_letters=dead_letters,
        clock=clock,
        log=log,
        observe_deferred=observe,
    )


def _reason(error: Exception) -> str | None:
    # The texts of our own errors hold no value of a message; those of others might.
    return str(error) if type(error).__module__ == "relay.errors" else None


def _log_deferred(telemetry: PowertoolsTelemetry, deferred: Sequence[tuple[Message, Exception]]) -> None:
    """Log one line for all that a batch defers: an outage defers a thousand messages for one reason."""
    kinds = Counter((type(error).__name__, _reason(error)) for _, error in deferred)
    (error, reason), _ = kinds.most_common(1)[0]
    reasons = {reason or error: number for (error, reason), number in kinds.most_common(LOGGED_REASONS)}
    topics = {topic for message, _ in deferred if (topic := message.header.topic)}
    telemetry.outcome(
        "deferred",
        event_id=None,
        topic=topics.pop() if len(topics) == 1 else None,
        error=error,
        reason=reason,
        reasons=reasons,
        messages=len(deferred),
        most_deferrals=max(message.deferrals for message, _ in deferred),
        event_ids=[message.header.event_id for message, _ in deferred if message.header.event_id][
            :LOGGED_EVENTS
        ],
        message_ids=[message.id for message, _ in deferred][:LOGGED_EVENTS],
    )


def queue_at(url: str, name: str) -> SqsOutgoing:
    """Return a queue to send to; `name` is for error texts."""
    from relay.adapters.aws.sqs import SqsOutgoing

    return SqsOutgoing(url, name)


def sns_topic(arn: str) -> SnsOutgoing:
    """Return the SNS topic on which every target's queue learns which member changed."""
    from relay.adapters.aws.sns import SnsOutgoing

    return SnsOutgoing(arn, "changes")


def kpi_store(table: str, shop: str, clock: Clock) -> DynamoKpiStore:
    """Return the programme's KPI events."""
    from relay.adapters.dynamodb.kpis import DynamoKpiStore

    return DynamoKpiStore(table, shop, clock)


def members_table(table: str, shop: str) -> MemberStore:
    """Return the members table."""
    from relay.adapters.dynamodb.members import DynamoMembers

    return DynamoMembers(table, shop)


def journal(stream: str) -> Journal:
    """Return the journal."""
    from relay.adapters.aws.firehose import FirehoseJournal

    return FirehoseJournal(stream)


def recheck_queue(requests: RequestSettings) -> RecheckQueue | None:
    """Return the queue of `reconcile`; None where no API is configured."""
    from relay.queues.requests import RecheckQueue

    return (
        RecheckQueue(queue_at(requests.rechecks_url, "reconcile"), requests.delay)
        if requests.rechecks_url
        else None
    )
