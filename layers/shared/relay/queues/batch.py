"""A batch from a queue: every message ends done, put off, given up or handed back, and never two of them.

All functions behind a queue share this. A function does its work on a whole batch and says of each
message what went wrong, by class of error; what follows from that is decided here, once:

* nothing went wrong: acknowledged;
* `TransientError`: a delayed copy is sent and the original acknowledged, so that an outage of days spends
  no receives; from three days of age on it goes to the dead letters instead of being put off again;
* `PermanentError`: to the dead letters at once, with its reason, and acknowledged;
* anything else: handed back; five receives of it and the queue gives it up.

Powertools' batch processor is not used here: it calls a handler record by record, where all our writes
are batches over the whole, and it has no third outcome beside success and failure.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias

from relay.errors import CircuitOpenError, CoalesceError, PermanentError, TransientError
from relay.model.metrics import Outcome
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Clock

TOO_OLD: Final = timedelta(days=3)
"""A message that is still put off at this age goes to the dead letters: its queue would drop it a day later."""

LONGEST_DELAY: Final = 900
_FIRST_DELAY: Final = 5.0
RESERVE_MS: Final = 5_000
"""With less time than this left, nothing more is started: a timeout would bring back the finished as well."""

HELD: Final = "held"
"""The attribute of a message that waited for company once: it does so only once."""

_SUSPECT_AFTER: Final = 2
_LONGEST_COUNT: Final = 10
_LETTERS_MARKS: Final = frozenset({"source_queue", "reason", "error", "attempts"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it was received. `first_received_at` and `deferrals` survive being put off."""

    id: str
    body: str
    attributes: Mapping[str, str]
    receives: int
    receipt: str
    first_received_at: datetime
    deferrals: int


class Context(Protocol):
    """What is used of the Lambda context."""

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

    def delete(self, messages: Sequence[Message]) -> None:
        """Acknowledge early what is finished."""
        ...


Results: TypeAlias = Mapping[str, Exception | None]
"""By message id: what went wrong, None where nothing did. A message without an answer was not started."""

Work: TypeAlias = Callable[[Sequence[Message], Context], Results]
"""Work on some messages while the context says that there is time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How a function's messages are settled. `log` gets one call for each message that did not simply work.

    `observe_put_off` gets one for all that are put off together: the age of the oldest, and their errors.
    """

    source: Source
    dead_letters: MessageSender
    clock: Clock
    log: Callable[[Outcome, Message, Exception], None]
    observe_put_off: Callable[[timedelta, Sequence[Exception]], None] = lambda _age, _errors: None

    def run(self, event: Mapping[str, Any], context: Context, work: Work) -> dict[str, Any]:
        """Do the work on a batch and return Lambda's partial response."""
        messages = [read_message(record) for record in event["Records"]]
        # A message that keeps coming back may be what kills the function. It is handled last and alone,
        # after the finished ones are deleted, so that it drags nobody along.
        sound = [message for message in messages if message.receives <= _SUSPECT_AFTER]
        suspects = [message for message in messages if message.receives > _SUSPECT_AFTER]
        answers: dict[str, Exception | None] = {}
        if sound:
            answers |= self._settle(sound, self._attempt(sound, context, work))
            if suspects:
                self.source.delete(
                    [message for message in sound if answers.get(message.id, _UNSTARTED) is None]
                )
        for suspect in suspects:
            if context.get_remaining_time_in_millis() < RESERVE_MS:
                break
            answers |= self._settle([suspect], self._attempt([suspect], context, work))
        failed = [message.id for message in messages if answers.get(message.id, _UNSTARTED) is not None]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def _attempt(self, messages: Sequence[Message], context: Context, work: Work) -> Results:
        try:
            return work(messages, context)
        except Exception as error:  # noqa: BLE001 - a defect hands the batch back; it must not lose the answers of others
            return dict.fromkeys((message.id for message in messages), error)

    def _settle(self, messages: Sequence[Message], answers: Results) -> dict[str, Exception | None]:
        """Put off or give up what failed; what could not even be put off is handed back."""
        settled: dict[str, Exception | None] = {
            message.id: answers.get(message.id, _UNSTARTED) for message in messages
        }
        now = self.clock()
        put_off: list[tuple[Message, OutgoingMessage]] = []
        give_up: list[tuple[Message, OutgoingMessage]] = []
        for message in messages:
            error = settled[message.id]
            if error is None or error is _UNSTARTED:
                continue
            if isinstance(error, TransientError) and now - message.first_received_at < TOO_OLD:
                self.log("deferred", message, error)
                put_off.append((message, _delayed_copy(message, error)))
            elif isinstance(error, PermanentError | TransientError):
                self.log("dead", message, error)
                give_up.append((message, dead_letter(message, error, self.source.name)))
            else:
                self.log("returned", message, error)
        if put_off:
            oldest = min(message.first_received_at for message, _ in put_off)
            self.observe_put_off(now - oldest, [error for m, _ in put_off if (error := settled[m.id])])
        for pairs, send in ((put_off, self.source.defer), (give_up, self.dead_letters.send)):
            for (message, _), refusal in zip(
                pairs, send([copy for _, copy in pairs]) if pairs else [], strict=True
            ):
                settled[message.id] = refusal
        return settled


_UNSTARTED: Final = TimeoutError("not started: the time was nearly up")


def read_message(record: Mapping[str, Any]) -> Message:
    """Read one record of Lambda's SQS event."""
    attributes = {
        name: value["stringValue"]
        for name, value in record.get("messageAttributes", {}).items()
        if value.get("stringValue") is not None
    }
    system = record["attributes"]
    sent = datetime.fromtimestamp(int(system["SentTimestamp"]) / 1000, UTC)
    first = attributes.get("first_received_at") or attributes.get("received_at")
    return Message(
        id=record["messageId"],
        body=record["body"],
        attributes=attributes,
        receives=int(system["ApproximateReceiveCount"]),
        receipt=record["receiptHandle"],
        first_received_at=_moment_or(first, sent),
        deferrals=_count(attributes.get("deferrals")),
    )


def _count(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < _LONGEST_COUNT else 0


def _moment_or(text: str | None, otherwise: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return otherwise
    return moment if moment.tzinfo else otherwise


def _delayed_copy(message: Message, error: TransientError) -> OutgoingMessage:
    # A redriven dead letter is one no longer; and with its marks it would be over SQS' ten attributes.
    attributes = {name: value for name, value in message.attributes.items() if name not in _LETTERS_MARKS}
    attributes |= {**_first_receipt(message), "deferrals": str(message.deferrals + 1)}
    if isinstance(error, CoalesceError):
        attributes[HELD] = "1"
    return OutgoingMessage(body=message.body, attributes=attributes, delay=_delay(message.deferrals, error))


def _delay(deferrals: int, error: TransientError) -> int:
    """Return seconds to wait: what the server asked for, else exponential with full jitter; 15 minutes at most."""
    if isinstance(error, CircuitOpenError):
        wanted = float(math.ceil(error.retry_after or 1))
    elif error.retry_after is not None:
        # A little more than asked, and not all at the same moment.
        wanted = error.retry_after * random.uniform(1.0, 1.2) + 1  # noqa: S311 - jitter, not a secret
    else:
        ceiling = min(_FIRST_DELAY * 2 ** min(deferrals, 10), LONGEST_DELAY)
        wanted = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - likewise
    return int(min(max(wanted, 1), LONGEST_DELAY))


def _first_receipt(message: Message) -> dict[str, str]:
    """Say when the message first came, unless it says so itself: a message may have ten attributes only."""
    if "received_at" in message.attributes:
        return {}
    return {"first_received_at": message.first_received_at.isoformat(timespec="milliseconds")}


def dead_letter(message: Message, error: Exception, queue: str) -> OutgoingMessage:
    """Return what the dead letters keep: the body as it was, and why, in words without a value of it."""
    reason = error.reason if isinstance(error, PermanentError) else "too_old"
    attributes = {
        **{name: value for name, value in message.attributes.items() if name not in {"deferrals", "reason"}},
        **_first_receipt(message),
        "source_queue": queue,
        "reason": reason,
        "error": type(error).__name__,
        "attempts": str(message.receives + message.deferrals),
    }
    return OutgoingMessage(body=message.body, attributes=attributes)
