"""A batch from a queue: every message ends done, deferred, given up or returned, and none holds up another.

All functions behind a queue share this. A function does its work on a whole batch and returns an
error or None for each message; its class decides what follows:

* no error: acknowledged;
* `TransientError`: *deferred*: a delayed copy is sent and the original acknowledged, so that an outage of days
  spends no receives; a message that is three days old goes to the dead letters instead;
* `PermanentError`: to the dead letters at once, with its reason, and acknowledged;
* anything else: *returned* to the queue, which costs a receive.

A message that was received more than twice without an end in order is a *suspect*: it may be the one that ends the
function, and a batch has no answer when its function is killed. So suspects never share an invocation with other work:

1. the rest of the batch is handled, and what is finished is deleted at once, so that it cannot come back;
2. all suspects but one are deferred unstarted; their copies carry the count of receives, so they stay suspects;
3. the last one is begun. Its tries are counted in a table, raised before each; one that ends in order (done,
   deferred, given up) clears the count and the suspicion. After five tries it goes to the dead letters.

Receives alone end nothing: throttling spends them as well. Only the queue's `maxReceiveCount` is a last bound.

Powertools' batch processor is not used here: it calls a handler record by record, where all our writes
are batches over the whole, and it has no third outcome beside success and failure.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias

from relay.errors import (
    CircuitOpenError,
    CoalesceError,
    ExhaustedError,
    NotBegunError,
    PermanentError,
    RelayError,
    TransientError,
    description,
)
from relay.model.header import MessageHeader, sentence
from relay.model.metrics import Outcome
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Clock, TryCounter, UncountedTries

TOO_OLD: Final = timedelta(days=3)
"""A message of this age is deferred no more: its queue would delete it a day later."""

LONGEST_DELAY: Final = 900
_FIRST_DELAY: Final = 5.0
RESERVE_MS: Final = 5_000
"""With less time than this left, nothing more is started: a timeout would bring back the finished as well."""

_SUSPECT_AFTER: Final = 2
"""Receives: one may be a throttled function, two may be a deployment."""

MOST_TRIES: Final = 5
"""How often a suspect is begun alone."""

_TURN_SECONDS: Final = (2.0, 20.0)
"""Suspects come back spread over these seconds, so that most of them meet no other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it was received. `sent_at` is when this copy of it was sent, `receives` counts those of this copy.

    `moved_from` is the ARN of the queue from which SQS moved a dead letter.
    """

    id: str
    body: str
    receives: int
    receipt: str
    sent_at: datetime
    header: MessageHeader = field(default_factory=MessageHeader)
    moved_from: str | None = None

    @property
    def received_at(self) -> datetime:
        """When its delivery was first received; of an internal message, when it was first sent."""
        return self.header.received_at or self.sent_at

    @property
    def waiting_since(self) -> datetime:
        """The time from which its age counts: the first receipt, or the latest redrive, and never later than it was sent.

        A later time is forged or of a wrong clock: with it the message would be deferred until then, in the year 9999.
        """
        return min(self.header.since or self.received_at, self.sent_at)

    @property
    def since(self) -> datetime | None:
        """What its copies carry as `since`: a copy is sent later, and must not begin its age anew."""
        said = self.header.since or self.received_at
        return self.waiting_since if said > self.sent_at else self.header.since

    @property
    def deferrals(self) -> int:
        """How often it was deferred."""
        return self.header.deferrals

    @property
    def is_suspect(self) -> bool:
        """Whether it was received more than twice without an end in order: it may be what ends the function."""
        return self.header.receives + self.receives - self.header.survived > _SUSPECT_AFTER

    @property
    def is_first_receive(self) -> bool:
        """Whether this is the first receive of all its copies; a redrive begins anew."""
        return self.receives == 1 and not (self.header.receives or self.deferrals)


class Context(Protocol):
    """The part of the Lambda context that is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how many milliseconds are left."""
        ...


class Source(Protocol):
    """The queue that a function reads, as far as its messages need it."""

    @property
    def name(self) -> str:
        """The queue's name, for people."""
        ...

    def defer(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Send delayed copies to the same queue."""
        ...

    def delete(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        """Acknowledge early what is finished; one answer for each message, None where it is surely deleted."""
        ...


Results: TypeAlias = Mapping[str, Exception | None]
"""The error by message id, None for success. A message without a result was not started."""

Work: TypeAlias = Callable[[Sequence[Message], Context], Results]
"""Handles some messages while the context says that there is time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How a function's batches are run. `log` gets one call for each message that is returned or given up.

    `observe_deferred` gets one for all that are deferred together, each with its error.
    """

    source: Source
    dead_letters: MessageSender
    clock: Clock
    log: Callable[[Outcome, Message, Exception], None]
    observe_deferred: Callable[[Sequence[tuple[Message, Exception]]], None] = lambda _deferred: None
    tries: TryCounter = field(default_factory=UncountedTries)

    def run(self, event: Mapping[str, Any], context: Context, work: Work) -> dict[str, Any]:
        """Do the work on a batch and return Lambda's partial response."""
        messages = [begin_anew_if_redriven(read_message(record)) for record in event["Records"]]
        sound = [message for message in messages if not message.is_suspect]
        suspects = [message for message in messages if message.is_suspect]
        results: dict[str, Exception | None] = {}
        if sound:
            results |= self._conclude(sound, self._attempt(sound, context, work))
        if suspects:
            results |= self._handle_suspects(suspects, sound, results, context, work)
        returned = [message.id for message in messages if results.get(message.id, _UNSTARTED) is not None]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in returned]}

    def _handle_suspects(
        self,
        suspects: Sequence[Message],
        sound: Sequence[Message],
        results: Results,
        context: Context,
        work: Work,
    ) -> dict[str, Exception | None]:
        """Begin one suspect, once nothing else can come back with it; return the suspects' results."""
        first, *others = sorted(suspects, key=lambda message: (message.waiting_since, message.id))
        concluded = self._put_off(others)
        if context.get_remaining_time_in_millis() < RESERVE_MS:
            return concluded | self._put_off([first])
        ended = {**results, **concluded}
        finished = [message for message in (*sound, *others) if ended.get(message.id, _UNSTARTED) is None]
        if finished and any(self.source.delete(finished)):
            # Were the function to be killed now, these would come back, and of those that were deferred a copy as well.
            return concluded | self._put_off([first])
        return concluded | self._begin_alone(first, context, work)

    def _put_off(self, suspects: Sequence[Message]) -> dict[str, Exception | None]:
        """Defer suspects unstarted."""
        waits = NotBegunError("a suspect waits for its turn alone")
        return self._conclude(suspects, {message.id: waits for message in suspects})

    def _begin_alone(self, message: Message, context: Context, work: Work) -> dict[str, Exception | None]:
        name = self._name_of(message)
        try:
            tries = self.tries.begin(name)
        except RelayError as failure:
            # Uncounted, a message that ends the function would be begun for ever.
            retry_after = failure.retry_after if isinstance(failure, TransientError) else None
            waits = NotBegunError(f"its try cannot be counted: {failure}", retry_after=retry_after)
            return self._conclude([message], {message.id: waits})
        if tries > MOST_TRIES:
            return self._conclude([message], {message.id: ExhaustedError()})
        error = self._attempt([message], context, work).get(message.id, _UNSTARTED)
        if error is _UNSTARTED:
            error = NotBegunError("not started: the time was nearly up")
        if not _is_defect(error):
            self._clear(name)
        elif tries == MOST_TRIES:
            error = ExhaustedError(type(error).__name__)
        return self._conclude([message], {message.id: error})

    def _clear(self, name: str) -> None:
        try:
            self.tries.clear(name)
        except RelayError:
            # The item ends by itself. Until then the message may be given up after fewer tries.
            return

    def _name_of(self, message: Message) -> str:
        """Return what names a message in all its copies, which have ids of their own: a hash of what it says.

        A redrive changes it: who redrives a letter wants it tried again.
        """
        parts = (self.source.name, message.header.event_id, str(message.header.redrives), message.body)
        return hashlib.sha256("\0".join(part or "" for part in parts).encode()).hexdigest()[:32]

    def _attempt(self, messages: Sequence[Message], context: Context, work: Work) -> Results:
        try:
            return work(messages, context)
        except PermanentError as error:
            if len(messages) == 1:
                return {messages[0].id: error}
            # One of them is refused for good, and with it the call for all: each is worked on by itself.
            results: dict[str, Exception | None] = {}
            for message in messages:
                if context.get_remaining_time_in_millis() >= RESERVE_MS:
                    results |= self._attempt([message], context, work)
            return results
        except Exception as error:  # noqa: BLE001 - a defect returns these messages; it must not lose others' results
            return dict.fromkeys((message.id for message in messages), error)

    def _conclude(self, messages: Sequence[Message], results: Results) -> dict[str, Exception | None]:
        """Defer or give up what failed; return the results, with an error only where a message is to be returned."""
        concluded: dict[str, Exception | None] = {
            message.id: results.get(message.id, _UNSTARTED) for message in messages
        }
        now = self.clock()
        deferred: list[tuple[Message, OutgoingMessage]] = []
        given_up: list[tuple[Message, OutgoingMessage]] = []
        for message in messages:
            error = concluded[message.id]
            if error is None or error is _UNSTARTED:
                continue
            if isinstance(error, TransientError) and now - message.waiting_since < TOO_OLD:
                deferred.append((message, _delayed_copy(message, error)))
            elif isinstance(error, PermanentError | TransientError):
                self.log("dead", message, error)
                given_up.append((message, dead_letter(message, error, self.source.name)))
            else:
                self.log("returned", message, error)
        if deferred:
            self.observe_deferred([(m, error) for m, _ in deferred if (error := concluded[m.id])])
        for pairs, send in ((deferred, self.source.defer), (given_up, self.dead_letters.send)):
            refusals = send([copy for _, copy in pairs]) if pairs else []
            for (message, _), refusal in zip(pairs, refusals, strict=True):
                concluded[message.id] = refusal
        return concluded


_UNSTARTED: Final = TimeoutError("not started: the time was nearly up")


def _is_defect(error: Exception | None) -> bool:
    """Return whether an error was not raised on purpose: then the message is returned."""
    return error is not None and not isinstance(error, PermanentError | TransientError)


def for_each_message(
    messages: Sequence[Message], context: Context, needed_ms: int, handle: Callable[[Message], None]
) -> Results:
    """Handle these messages one after the other; those for which fewer than `needed_ms` are left are deferred."""
    results: dict[str, Exception | None] = {}
    for message in messages:
        if context.get_remaining_time_in_millis() < needed_ms:
            # Deferred and not returned: nothing is wrong with it, so it must spend no receives.
            results[message.id] = TransientError("no time left in this invocation", retry_after=1)
            continue
        try:
            handle(message)
            results[message.id] = None
        except Exception as error:  # noqa: BLE001 - what is wrong with one message does not concern the others
            results[message.id] = error
    return results


def read_message(record: Mapping[str, Any]) -> Message:
    """Read one record of Lambda's SQS event. It raises for nothing that a sender may have written."""
    attributes = {
        name: value["stringValue"]
        for name, value in record.get("messageAttributes", {}).items()
        if value.get("stringValue") is not None
    }
    system = record["attributes"]
    return Message(
        id=record["messageId"],
        body=record["body"],
        receives=int(system["ApproximateReceiveCount"]),
        receipt=record["receiptHandle"],
        sent_at=datetime.fromtimestamp(int(system["SentTimestamp"]) / 1000, UTC),
        header=MessageHeader.read(attributes),
        moved_from=system.get("DeadLetterQueueSourceArn"),
    )


def begin_anew_if_redriven(message: Message) -> Message:
    """Return the message without the marks of a dead letter, with the age and counts of a new one.

    A message with such marks in any queue but the dead letters' was redriven.
    """
    if not message.header.source_queue:
        return message
    return replace(message, header=message.header.redriven(message.sent_at))


def _delayed_copy(message: Message, error: TransientError) -> OutgoingMessage:
    receives = message.header.receives + message.receives
    if isinstance(error, NotBegunError):
        header = replace(
            message.header, received_at=message.received_at, since=message.since, receives=receives
        )
        return OutgoingMessage(body=message.body, header=header, delay=_delay(message.deferrals, error))
    header = replace(
        message.header,
        received_at=message.received_at,
        since=message.since,
        # This receive is counted as the deferral. The function outlived it: the copy is no suspect.
        receives=receives - 1,
        survived=receives - 1,
        deferrals=message.deferrals + 1,
        coalesced=1 if isinstance(error, CoalesceError) else message.header.coalesced,
    )
    return OutgoingMessage(body=message.body, header=header, delay=_delay(message.deferrals, error))


def _delay(deferrals: int, error: TransientError) -> int:
    """Return seconds to wait: what the server asked for, else exponential with full jitter; 15 minutes at most."""
    if isinstance(error, NotBegunError) and error.retry_after is None:
        wanted = random.uniform(*_TURN_SECONDS)  # noqa: S311 - jitter, not a secret
    elif isinstance(error, CircuitOpenError):
        wanted = float(math.ceil(error.retry_after or 1))
    elif error.retry_after is not None:
        # A little more than asked, and not all at the same moment.
        wanted = error.retry_after * random.uniform(1.0, 1.2) + 1  # noqa: S311 - jitter, not a secret
    else:
        ceiling = min(_FIRST_DELAY * 2 ** min(deferrals, 10), LONGEST_DELAY)
        wanted = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - likewise
    return int(min(max(wanted, 1), LONGEST_DELAY))


def dead_letter(message: Message, error: Exception, queue: str) -> OutgoingMessage:
    """Return the dead letter of a message: its body unchanged, and a reason that repeats no value of it."""
    header = replace(
        message.header,
        received_at=message.received_at,
        receives=message.header.receives + message.receives,
        source_queue=queue,
        reason=error.reason if isinstance(error, PermanentError) else "too_old",
        error=sentence(description(error)),
    )
    return OutgoingMessage(body=message.body, header=header)
