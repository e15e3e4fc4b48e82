"""A message that ends the function drags no other along: strictly as SQS and Lambda behave when a function is killed.

A killed function answers nothing: every message of its batch stays hidden until its visibility timeout, and has spent a
receive. Sources: the Lambda developer guide, "Using Lambda with Amazon SQS" (partial batch responses); the SQS
developer guide, "Visibility timeout" and "Dead-letter queues".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from relay.adapters.aws.client import RefusedCallError
from relay.adapters.aws.sqs import SqsOutgoing, SqsSource
from relay.adapters.dynamodb.tries import DynamoTries
from relay.errors import PermanentError, TransientError
from relay.model.header import MessageHeader
from relay.queues.batch import MOST_TRIES, Batch, Context, Message, Results, read_message

from tests.support.aws.fake_aws import FakeAws
from tests.support.aws.sqs import FakeQueue
from tests.support.lambda_env import header_of
from tests.support.port_fakes import FakeContext

RECEIVES = 20
"""`maxReceiveCount` in the template."""


class Killed(BaseException):
    """The function is killed: memory or time ran out."""


@dataclass
class Platform:
    """A queue with its function, in an account of its own. `handle` is called for each message that is begun.

    `refuses_all_for` are errors that a message brings upon all that are worked on with it, by body.
    """

    handle: Callable[[Message], Exception | None]
    refuses_all_for: Mapping[str, Exception] = field(default_factory=dict)
    aws: FakeAws = field(default_factory=FakeAws)
    batches: list[list[str]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    invocations: int = 0

    def __post_init__(self) -> None:
        """Make the account's resources."""
        self.aws.dynamodb.table("incidents", "key", ttl="expires")
        dead = self.aws.sqs.queue("dead-letters", retention=timedelta(days=14))
        self.aws.sqs.queue("cancelled", dead_letters=dead, max_receives=RECEIVES)

    @property
    def queue(self) -> FakeQueue:
        """The queue."""
        return self.aws.sqs.queues["cancelled"]

    @property
    def letters(self) -> dict[str, MessageHeader]:
        """The headers of the dead letters, by body."""
        found = self.aws.sqs.queues["dead-letters"].messages
        return {letter.body: header_of({"MessageAttributes": letter.attributes}) for letter in found}

    def put(self, *bodies: str) -> None:
        """Send messages, as the receiver does."""
        for body in bodies:
            self.queue.put(body, {})

    def batch(self) -> Batch:
        """Return the function's batch runner."""
        now = self.aws.clock.now
        return Batch(
            source=SqsSource(self.queue.url, "cancelled", self.aws),
            dead_letters=SqsOutgoing(self.aws.sqs.queues["dead-letters"].url, "dead", self.aws),
            clock=now,
            log=lambda *_: None,
            tries=DynamoTries("incidents", now, self.aws),
        )

    def work(self, messages: Sequence[Message], _context: Context) -> Results:
        """Begin each message."""
        self.batches.append([message.body for message in messages])
        for message in messages:
            if message.body in self.refuses_all_for:
                raise self.refuses_all_for[message.body]
        results = {message.id: self.handle(message) for message in messages}
        self.done.update(message.body for message in messages if results[message.id] is None)
        return results

    def turn(self, most: int = 10) -> None:
        """Let the event source mapping invoke the function with what is visible; then time passes."""
        while event := self.queue.poll(most):
            self.invocations += 1
            try:
                response: Mapping[str, Any] | None = self.batch().run(event, FakeContext(), self.work)
            except Killed:
                response = None
            self.queue.process_response(event, response)

    def run(self, turns: int = 400) -> None:
        """Let everything come to an end."""
        for _ in range(turns):
            if not self.queue.messages:
                return
            self.turn()
            self.aws.clock.advance(timedelta(seconds=10))
        raise AssertionError(f"still in the queue: {[message.body for message in self.queue.messages]}")


def killing(*poison: str) -> Callable[[Message], Exception | None]:
    def handle(message: Message) -> Exception | None:
        if message.body in poison:
            raise Killed
        return None

    return handle


GOOD = [f"good {number}" for number in range(9)]


def test_one_poison_message_drags_no_other_along() -> None:
    """Of ten, nine are done and one is given up, after five tries of its own; two receives were shared."""
    platform = Platform(killing("poison"))
    platform.put(*GOOD, "poison")
    platform.run()
    assert sorted(platform.done) == sorted(GOOD)
    assert list(platform.letters) == ["poison"]
    header = platform.letters["poison"]
    assert (header.source_queue, header.reason, header.error) == (
        "cancelled",
        "too_many_tries",
        "ExhaustedError",
    )
    alone = [batch for batch in platform.batches if "poison" in batch and len(batch) == 1]
    assert len(alone) == MOST_TRIES


@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_ends_well(seed: int) -> None:
    """Several poison messages among many, in any order, with late arrivals: each good one is done, each poison given up."""
    rng = Random(seed)
    poison = [f"poison {number}" for number in range(rng.randint(1, 6))]
    good = [f"good {number}" for number in range(rng.randint(5, 30))]
    platform = Platform(killing(*poison))
    bodies = [*poison, *good]
    rng.shuffle(bodies)
    cut = rng.randint(1, len(bodies))
    platform.put(*bodies[:cut])
    platform.turn()
    platform.put(*bodies[cut:])
    platform.run(turns=2000)
    assert sorted(platform.done) == sorted(good)
    assert sorted(platform.letters) == sorted(poison)
    assert {letter.reason for letter in platform.letters.values()} == {"too_many_tries"}


def test_what_is_finished_is_gone_before_a_suspect_is_begun() -> None:
    """The function is killed by the suspect: neither the finished, nor those that were put off, come back twice."""
    platform = Platform(killing("poison"))
    platform.put("poison", "other suspect")
    for message in platform.queue.messages:
        message.receives = 2
    platform.put(*GOOD[:5])
    platform.turn()
    bodies = Counter(message.body for message in platform.queue.messages)
    assert bodies == {"poison": 1, "other suspect": 1}
    assert sorted(platform.done) == GOOD[:5]


def test_a_suspect_that_is_put_off_stays_one() -> None:
    """Its copy is a new message to SQS: the header has the count of receives."""
    platform = Platform(killing("poison"))
    platform.put("poison", "other suspect")
    for message in platform.queue.messages:
        message.receives = 2
    platform.turn()
    (copy,) = [message for message in platform.queue.messages if message.body == "other suspect"]
    header = header_of({"MessageAttributes": copy.attributes})
    assert (copy.receives, header.receives, header.deferrals) == (0, 3, 0)
    platform.aws.clock.advance(timedelta(seconds=20))
    (received,) = platform.queue.receive(10)
    record: dict[str, Any] = {"messageId": "m", "body": received.body, "receiptHandle": "r"}
    record |= {"attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772355600000"}}
    values = {name: {"stringValue": value["StringValue"]} for name, value in received.attributes.items()}
    assert read_message({**record, "messageAttributes": values}).is_suspect


def test_nothing_is_begun_while_a_finished_message_is_still_there() -> None:
    """SQS did not delete a finished one: were the function killed now, it would come back. The suspect waits."""
    platform = Platform(killing())

    def refuse(_service: str, operation: str, _body: Mapping[str, Any]) -> None:
        if operation == "DeleteMessageBatch":
            raise RefusedCallError("InternalError", 500, {})

    platform.put("suspect")
    platform.queue.messages[0].receives = 2
    platform.put("sound")
    platform.aws.before = refuse
    platform.turn()
    assert platform.done == {"sound": 1}
    assert [message.body for message in platform.queue.messages] == ["suspect"]


def test_throttling_alone_ends_nothing() -> None:
    """Receives without an invocation, as Lambda spends them when it is throttled: all is done once there is room."""
    platform = Platform(killing())
    platform.put(*GOOD)
    for _ in range(RECEIVES - 1):
        assert platform.queue.poll()
        platform.aws.clock.advance(timedelta(seconds=181))
    platform.run()
    assert sorted(platform.done) == GOOD
    assert platform.letters == {}


def test_an_outage_makes_nothing_suspect() -> None:
    """What ends in order is innocent, however often it was received: after it, messages share their batches again."""
    down = [True]
    platform = Platform(lambda _message: TransientError("down") if down[0] else None)
    platform.put(*GOOD)
    for message in platform.queue.messages:
        message.receives = 5
    for _ in range(300):
        platform.turn()
        platform.aws.clock.advance(timedelta(seconds=10))
    headers = [header_of({"MessageAttributes": message.attributes}) for message in platform.queue.messages]
    assert all(header.receives == header.survived for header in headers)
    down[0] = False
    platform.aws.clock.advance(timedelta(minutes=15))
    before = platform.invocations
    platform.turn()
    assert (platform.invocations - before, sorted(platform.done), platform.letters) == (1, GOOD, {})


def test_tries_that_end_in_order_are_no_tries() -> None:
    """A suspect that is deferred six times, killed by nothing, is not given up."""
    ends: list[Exception | None] = [TransientError("down", retry_after=1)] * 6
    platform = Platform(lambda _message: ends.pop() if ends else None)
    platform.put("suspect")
    for _ in range(40):
        for message in platform.queue.messages:
            message.receives = max(message.receives, 3)
        platform.turn()
        platform.aws.clock.advance(timedelta(seconds=10))
    assert (platform.done, platform.letters) == ({"suspect": 1}, {})


def test_a_defect_is_given_up_with_its_error() -> None:
    """An unexpected exception: returned twice in its batch, five times alone, then a letter with its class."""
    platform = Platform(lambda message: ZeroDivisionError("secret") if message.body == "bad" else None)
    platform.put(*GOOD, "bad")
    platform.run()
    assert sorted(platform.done) == GOOD
    assert (platform.letters["bad"].reason, platform.letters["bad"].error) == (
        "too_many_tries",
        "ZeroDivisionError",
    )
    assert sum("bad" in batch for batch in platform.batches) == 2 + MOST_TRIES


def test_nothing_is_begun_uncounted() -> None:
    """The table of tries does not answer: the suspect is put off, and spends no try."""
    platform = Platform(killing("poison"))

    def refuse(service: str, _operation: str, _body: Mapping[str, Any]) -> None:
        if service == "dynamodb":
            raise RefusedCallError("InternalServerError", 500, {})

    platform.put("poison")
    platform.queue.messages[0].receives = 2
    platform.aws.before = refuse
    for _ in range(20):
        platform.turn()
        platform.aws.clock.advance(timedelta(seconds=20))
    assert (platform.batches, platform.letters, len(platform.queue.messages)) == ([], {}, 1)


def test_a_redriven_letter_has_five_tries_again() -> None:
    """The cause was mended: the letter is begun, though its count is full and kept for four days."""
    poison = ["bad"]

    def handle(message: Message) -> None:
        killing(*poison)(message)

    platform = Platform(handle)
    platform.put("bad")
    platform.run()
    (letter,) = platform.aws.sqs.queues["dead-letters"].messages
    header = header_of({"MessageAttributes": letter.attributes}).redriven(platform.aws.clock.now())
    values = {name: {"DataType": "String", "StringValue": text} for name, text in header.attributes.items()}
    platform.queue.put("bad", values)
    platform.queue.messages[0].receives = 2
    before = len(platform.batches)
    platform.run()
    assert len(platform.batches) - before == MOST_TRIES
    poison.clear()
    again = header.redriven(platform.aws.clock.now())
    values = {name: {"DataType": "String", "StringValue": text} for name, text in again.attributes.items()}
    platform.queue.put("bad", values)
    platform.queue.messages[0].receives = 2
    platform.run()
    assert platform.done == {"bad": 1}


def test_the_count_ends_after_four_days() -> None:
    """The item carries no value of the message, and the table deletes it by itself."""
    platform = Platform(killing("poison"))
    platform.put("poison")
    platform.run()
    (((key,), item),) = platform.aws.dynamodb.tables["incidents"].items.items()
    assert key.startswith("try#")
    assert "poison" not in str(item)
    until = platform.aws.clock.now() + timedelta(days=4)
    assert abs(int(item["expires"]["N"]) - until.timestamp()) < 3600
    platform.aws.clock.advance(timedelta(days=4, hours=1))
    platform.aws.dynamodb.expire()
    assert platform.aws.dynamodb.tables["incidents"].items == {}


def test_no_time_for_a_suspect() -> None:
    """With the time nearly up a suspect is put off, and spends no receive."""
    platform = Platform(killing())
    platform.put("suspect")
    platform.queue.messages[0].receives = 2
    event = platform.queue.poll()
    assert event
    assert platform.batch().run(event, FakeContext(millis=1000), platform.work) == {"batchItemFailures": []}
    assert platform.batches == []


def test_an_error_for_the_whole_batch_ends_one_message() -> None:
    """A call for all is refused for good, because of one: each is worked on by itself, and only that one is given up."""
    refused = PermanentError("refused_by_service", "ValidationException")
    platform = Platform(killing(), refuses_all_for={"bad": refused})
    platform.put(*GOOD, "bad")
    platform.run()
    assert (sorted(platform.done), list(platform.letters)) == (GOOD, ["bad"])
    assert platform.letters["bad"].reason == "refused_by_service"
