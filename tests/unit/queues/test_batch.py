"""Every message of a batch ends done, deferred, given up or returned; and what that means for the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.errors import CircuitOpenError, ExhaustedError, MisconfiguredError, PermanentError, TransientError
from relay.model.header import MessageHeader
from relay.queues.batch import LONGEST_DELAY, Context, Message, dead_letter, read_message

from tests.support.port_fakes import NOW, FakeContext, World, queued, sample

CONTENT = sample("customer.cancelled")


def event(*receives: int, age: timedelta = timedelta(0)) -> dict[str, Any]:
    return {
        "Records": [
            queued(CONTENT, message_id=f"m{number}", receives=count, received_at=NOW - age)
            for number, count in enumerate(receives, start=1)
        ]
    }


def attributes(header: MessageHeader) -> dict[str, Any]:
    return {name: {"stringValue": value} for name, value in header.attributes.items()}


def with_header(record: dict[str, Any], **fields: Any) -> None:
    record["messageAttributes"] = attributes(replace(read_message(record).header, **fields))


def work_with(
    **answers: Exception | None,
) -> Callable[[Sequence[Message], Context], Mapping[str, Exception | None]]:
    def work(messages: Sequence[Message], context: Context) -> Mapping[str, Exception | None]:
        return {message.id: answers[message.id] for message in messages if message.id in answers}

    return work


def failed(response: Mapping[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_done_is_acknowledged() -> None:
    """Nothing went wrong, nothing comes back."""
    assert failed(World().batch().run(event(1, 1), FakeContext(), work_with(m1=None, m2=None))) == []


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("no", setting="KEY")])
def test_what_cannot_work_now_is_deferred(error: Exception) -> None:
    """A delayed copy goes to the same queue with the first receipt and a count, and the original is acknowledged."""
    world = World()
    assert failed(world.batch().run(event(1), FakeContext(), work_with(m1=error))) == []
    (copy,) = world.source.sent
    assert (copy.header.deferrals, copy.header.received_at) == (1, NOW)
    assert 1 <= copy.delay <= 5
    assert world.dead_letters.sent == []


def test_deferrals_are_observed_together() -> None:
    """Once a batch: each message with its error; nothing where nothing is deferred."""
    seen: list[list[tuple[str, Exception]]] = []

    def observe(deferred: Sequence[tuple[Message, Exception]]) -> None:
        seen.append([(message.id, error) for message, error in deferred])

    batch = replace(World().batch(), observe_deferred=observe)
    down, wrong = TransientError("down"), MisconfiguredError("no", setting="KEY")
    batch.run(event(1, 1, 1), FakeContext(), work_with(m1=down, m2=wrong, m3=PermanentError("never")))
    batch.run(event(1, 1), FakeContext(), work_with(m1=None, m2=PermanentError("never")))
    assert seen == [[("m1", down), ("m2", wrong)]]


@pytest.mark.parametrize(("asked", "least", "most"), [(30, 31, 37), (7200, 900, 900), (0, 1, 1)])
def test_retry_after_is_obeyed(asked: float, least: int, most: int) -> None:
    """`Retry-After` is kept, with a little jitter, as far as a queue can delay."""
    world = World()
    world.batch().run(event(1), FakeContext(), work_with(m1=TransientError("slow", retry_after=asked)))
    assert least <= world.source.sent[0].delay <= most


def test_messages_of_an_open_circuit_come_back_together() -> None:
    """All at the moment of the next probe: so they fill calls, and none is made before."""
    delays = set()
    for _ in range(20):
        world = World()
        world.batch().run(event(1), FakeContext(), work_with(m1=CircuitOpenError("open", retry_after=299.5)))
        delays |= {sent.delay for sent in world.source.sent}
    assert delays == {300}


def test_the_delay_grows() -> None:
    """The seventh time waits minutes, and never longer than a queue allows."""
    world = World()
    record = queued(CONTENT)
    for count in (6, 60):
        with_header(record, deferrals=count)
        world.batch().run({"Records": [record]}, FakeContext(), work_with(m1=TransientError("down")))
    delays = [copy.delay for copy in world.source.sent]
    assert delays[0] >= 160
    assert LONGEST_DELAY / 2 <= delays[1] <= LONGEST_DELAY


def test_a_copy_that_is_not_taken_returns_the_original() -> None:
    """A message is acknowledged only when its own copy is safe."""
    world = World()
    world.source.refuse = {0}
    response = world.batch().run(
        event(1, 1), FakeContext(), work_with(m1=TransientError("down"), m2=TransientError("down"))
    )
    assert (failed(response), len(world.source.sent)) == (["m1"], 1)


def test_what_can_never_work_is_given_up_at_once() -> None:
    """Dead letters hold the body, and the reason without a word of it."""
    world = World()
    response = world.batch().run(
        event(2), FakeContext(), work_with(m1=PermanentError("no_member", "customerId"))
    )
    (letter,) = world.dead_letters.sent
    assert failed(response) == []
    assert letter.body == queued(CONTENT)["body"]
    header = letter.header
    assert (header.source_queue, header.reason, header.error) == (
        "source",
        "no_member",
        "no_member: customerId",
    )
    assert (header.receives, header.deferrals, header.received_at) == (2, 0, NOW)
    assert "7733540520067" not in str(letter.attributes)


def test_a_dead_letter_counts_every_attempt() -> None:
    """Receives and deferrals of all copies: what a deferral ended is counted as a deferral alone."""
    world = World()
    world.batch().run(event(2), FakeContext(), work_with(m1=TransientError("down")))
    (copy,) = world.source.sent
    assert (copy.header.receives, copy.header.deferrals) == (1, 1)
    record = event(2)["Records"][0] | {"messageAttributes": attributes(copy.header)}
    world.batch().run({"Records": [record]}, FakeContext(), work_with(m1=PermanentError("no_member")))
    (letter,) = world.dead_letters.sent
    assert (letter.header.receives, letter.header.deferrals) == (3, 1)


FAR = datetime(9999, 12, 31, tzinfo=UTC)


@pytest.mark.parametrize("forged", [{"received_at": FAR}, {"since": FAR}, {"received_at": FAR, "since": FAR}])
def test_a_time_that_cannot_be_does_not_defer_for_ever(forged: dict[str, datetime]) -> None:
    """A message was received and redriven before its copy was sent: its age counts from then at the latest."""
    world, record = World(now=NOW), event(1)["Records"][0]
    with_header(record, **forged)
    batch = world.batch()
    batch.run({"Records": [record]}, FakeContext(), work_with(m1=TransientError("down")))
    (copy,) = world.source.sent
    assert copy.header.since == NOW
    sent = str(int((NOW + timedelta(days=3)).timestamp() * 1000))
    again = record | {
        "messageAttributes": attributes(copy.header),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent},
    }
    world.now = NOW + timedelta(days=3)
    world.batch().run({"Records": [again]}, FakeContext(), work_with(m1=TransientError("down")))
    assert [letter.header.reason for letter in world.dead_letters.sent] == ["too_old"]


def test_after_three_days_nothing_is_deferred() -> None:
    """The queue would delete it a day later: it goes to the dead letters instead."""
    world = World()
    world.batch().run(event(1, age=timedelta(days=3)), FakeContext(), work_with(m1=TransientError("down")))
    assert [letter.header.reason for letter in world.dead_letters.sent] == ["too_old"]
    assert world.source.sent == []


def test_a_defect_returns_its_own_message() -> None:
    """An unexpected error costs its message a receive, and the rest of the batch nothing."""
    response = World().batch().run(event(1, 1), FakeContext(), work_with(m1=ZeroDivisionError(), m2=None))
    assert failed(response) == ["m1"]


def test_a_crash_of_the_work_returns_all_messages() -> None:
    """It is unknown what was done, so everything comes again."""

    def work(messages: Sequence[Message], context: Context) -> Mapping[str, Exception | None]:
        raise ZeroDivisionError

    assert failed(World().batch().run(event(1, 1), FakeContext(), work)) == ["m1", "m2"]


def test_what_was_not_started_is_returned() -> None:
    """A message without a result is returned, unstarted."""
    assert failed(World().batch().run(event(1, 1), FakeContext(), work_with(m1=None))) == ["m2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "often",
        "[]",
        "null",
        pytest.param("[" * 100_000, id="deep"),
        '{"deferrals": "often", "at": 7, "id": {}, "topic": "a b"}',
    ],
)
def test_a_header_that_is_not_ours(text: str) -> None:
    """A message sent by hand fails no other message: what is not ours in its header counts as absent."""
    record = queued(CONTENT)
    record["messageAttributes"]["relay"] = {"stringValue": text}
    assert read_message(record).header == MessageHeader()
    assert failed(World().batch().run({"Records": [record]}, FakeContext(), work_with(m1=None))) == []


def test_a_redriven_letter_begins_anew() -> None:
    """It is a dead letter no longer, has its patience again, and keeps its first receipt; its redrives are counted."""
    world, record = World(), event(2, age=timedelta(days=4))["Records"][0]
    with_header(record, deferrals=5, coalesced=1)
    batch = world.batch()
    batch.run({"Records": [record]}, FakeContext(), work_with(m1=TransientError("down")))
    (letter,) = world.dead_letters.sent
    assert (letter.header.reason, letter.header.deferrals) == ("too_old", 5)
    again = record | {"messageAttributes": attributes(letter.header)}
    again["attributes"] = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(NOW.timestamp() * 1000))}
    batch.run({"Records": [again]}, FakeContext(), work_with(m1=TransientError("down")))
    (copy,) = world.source.sent
    assert copy.header == replace(
        read_message(record).header, since=NOW, deferrals=1, coalesced=0, redrives=1
    )
    assert copy.header.received_at == NOW - timedelta(days=4)


def test_one_attribute_is_all_that_a_message_needs() -> None:
    """SQS takes ten: a packed letter that was redriven and deferred has one, in ASCII."""
    full = MessageHeader(
        event_id="a" * 32,
        received_at=NOW,
        topic="customer.cancelled",
        delivery_id="e3d8d8cc",
        since=NOW,
        receives=1,
        survived=1,
        deferrals=2,
        coalesced=1,
        moved=1,
        encoding="zlib+base64",
        source_queue="cancelled",
        reason="no_member",
        error="MisconfiguredError: hubspot: 401",
        redrives=3,
    )
    ((name, text),) = full.attributes.items()
    assert (name, text.isascii(), MessageHeader.read(full.attributes)) == ("relay", True, full)
    assert list(json.loads(text)) == [
        "id", "at", "topic", "delivery", "since", "receives", "survived", "deferrals", "coalesced", "moved", "enc", "from", "why",
        "error", "redrives",
    ]  # fmt: skip


def test_only_the_keys_that_are_set_travel() -> None:
    """An empty header is no attribute at all."""
    assert MessageHeader().attributes == {}
    assert MessageHeader(topic="relay.tick").attributes == {"relay": '{"topic":"relay.tick"}'}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermanentError("no_member", "payload.customerId"), "no_member: payload.customerId"),
        (MisconfiguredError("hubspot: 401", setting="KEY"), "MisconfiguredError: hubspot: 401"),
        (TransientError(""), "TransientError"),
        (TransientError("a\nb\x1b[2J" + "c" * 400), "TransientError: a b [2J" + "c" * 277),
        (ExhaustedError("KeyError"), "KeyError"),
        (ExhaustedError(), "ExhaustedError"),
        (KeyError("mia@example.com"), "KeyError"),
    ],
)
def test_a_letter_says_what_its_error_said(error: Exception, text: str) -> None:
    """In one line that a header carries; the text of an error that is not ours may hold a value, and is left out."""
    letter = dead_letter(read_message(queued(CONTENT)), error, "source")
    assert letter.header.error == text
    assert MessageHeader.read(letter.header.attributes).error == text


def test_a_sender_cannot_write_to_the_terminal_of_whoever_lists_letters() -> None:
    """A header that any sender may have written has no control characters, and no text without end."""
    for text in ("\x1b[2J", "a\nb", "c" * 301, 7):
        assert MessageHeader.read({"relay": json.dumps({"error": text})}).error is None
