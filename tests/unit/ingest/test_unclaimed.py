"""The queue `unclaimed` is routed again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.adapters.aws.sqs import SqsInbox, SqsOutgoing
from relay.errors import PermanentError, TransientError
from relay.ingest.receive import LARGEST_BODY
from relay.ingest.receive import unclaimed as as_unclaimed
from relay.ingest.unclaimed import UnclaimedDrain
from relay.model.delivery import pack
from relay.ports.messaging import OutgoingMessage
from relay.queues.batch import Message, read_message
from relay.scheduler.tick import tick_time
from relay.topics import FOLDERS

from tests.support.aws.fake_aws import FakeAws
from tests.support.aws.sqs import FakeQueue
from tests.support.port_fakes import (
    NOW,
    SHOP,
    FakeContext,
    FakeJournal,
    FakeOutgoing,
    FakeTelemetry,
    queued,
    sample,
)


@dataclass
class FakeInbox:
    """A queue that hands out its messages once; `broken` is an error that its second reply is."""

    waiting: list[Message]
    deleted: list[str] = field(default_factory=list)
    released: list[list[str]] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)
    broken: Exception | None = None

    def receive(self) -> Sequence[Message]:
        if self.handed and self.broken:
            raise self.broken
        handed, self.waiting = self.waiting[:2], self.waiting[2:]
        self.handed += [message.id for message in handed]
        return handed

    def release(self, receipts: Sequence[str]) -> None:
        self.released.append(list(receipts))

    def delete(self, messages: Sequence[Message]) -> None:
        self.deleted += [message.id for message in messages]


@dataclass
class UnclaimedSetup:
    """`unclaimed` and everything around it."""

    inbox: Any
    topics: dict[str, FakeOutgoing] = field(
        default_factory=lambda: {name: FakeOutgoing() for name in FOLDERS.values()}
    )
    dead_letters: FakeOutgoing = field(default_factory=FakeOutgoing)
    journal: FakeJournal = field(default_factory=FakeJournal)

    def drained(self, now: datetime = NOW, millis: int = 60_000) -> dict[str, int]:
        drain = UnclaimedDrain(
            shop=SHOP,
            unclaimed=self.inbox,
            topics=self.topics,
            dead_letters=self.dead_letters,
            journal=self.journal,
        )
        return drain.run(now, FakeTelemetry(), FakeContext(millis))


def setup_with(*bodies: bytes) -> UnclaimedSetup:
    records = [queued(body, message_id=f"m{number}") for number, body in enumerate(bodies, start=1)]
    return UnclaimedSetup(FakeInbox([read_message(record) for record in records]))


KNOWN = json.dumps(sample("customer.cancelled")).encode()


def test_what_can_be_placed_by_now_goes_to_its_topic() -> None:
    """With its first time of receipt, and gone from `unclaimed` only then."""
    setup = setup_with(KNOWN, b"not json", KNOWN)
    assert setup.drained() == {"placed": 2, "kept": 1}
    assert [copy.header.topic for copy in setup.topics["cancelled"].sent] == ["customer.cancelled"] * 2
    assert setup.topics["cancelled"].sent[0].header.received_at == NOW
    assert setup.inbox.deleted == ["m1", "m3"]


def test_a_redriven_one_is_as_patient_in_its_topic() -> None:
    """Its patience counts from the redrive there too, and its redrives stay counted."""
    unclaimed = setup_with(KNOWN)
    (message,) = unclaimed.inbox.waiting
    header = replace(message.header, source_queue="unclaimed", reason="unknown_topic", redrives=1)
    redriven_at = NOW + timedelta(days=9)
    unclaimed.inbox.waiting = [replace(message, header=header, sent_at=redriven_at)]
    assert unclaimed.drained(redriven_at) == {"placed": 1}
    (copy,) = unclaimed.topics["cancelled"].sent
    assert (copy.header.received_at, copy.header.since, copy.header.redrives) == (NOW, redriven_at, 2)


def test_the_id_that_its_sender_was_told_leads_to_the_events() -> None:
    """It was accepted under the id of its bytes; the journal names the id under which it goes on."""
    setup = setup_with(KNOWN)
    raw_id = setup.inbox.waiting[0].header.event_id
    setup.drained()
    (line,), (copy,) = setup.journal.lines, setup.topics["cancelled"].sent
    assert (line["id"], line["outcome"]) == (raw_id, "unclaimed")
    assert line["effects"] == [f"{copy.header.event_id}.placed"]


def test_a_topic_queue_that_refuses_keeps_it() -> None:
    """Nothing is deleted that is not safe elsewhere."""
    setup = setup_with(KNOWN)
    setup.topics["cancelled"].refuse = {0}
    assert (setup.drained(), setup.inbox.deleted) == ({"kept": 1}, [])


def test_after_three_days_it_is_journaled_and_given_up() -> None:
    """The queue would drop it a day later; the tick's own time counts, not the wall clock's."""
    setup = setup_with(b'{"token": "s3cret", no json')
    assert setup.drained(NOW + timedelta(days=2, hours=23)) == {"kept": 1}
    setup = setup_with(b'{"token": "s3cret", no json')
    assert setup.drained(NOW + timedelta(days=3)) == {"given_up": 1}
    (line,), (letter,) = setup.journal.lines, setup.dead_letters.sent
    assert (line["outcome"], letter.header.source_queue) == ("unclaimed", "unclaimed")
    assert "s3cret" not in str(line)


def test_a_body_beyond_the_receivers_bound_stops_no_drain() -> None:
    """Redriven by hand, it can be larger than any delivery: it waits with its reason, and the others are placed."""
    too_large = b"[" + b" " * LARGEST_BODY + b"]"
    setup = setup_with(KNOWN, too_large, KNOWN)
    assert setup.drained() == {"placed": 2, "kept": 1}
    setup = setup_with(too_large)
    assert setup.drained(NOW + timedelta(days=3)) == {"given_up": 1}
    assert setup.dead_letters.sent[0].header.reason == "too_large"


@pytest.mark.parametrize("place", ["journal", "dead_letters"])
def test_what_cannot_be_given_up_is_kept(place: str) -> None:
    """Journal or dead letters down: it stays where it is."""
    setup = setup_with(b"not json")
    if place == "journal":
        setup.journal.failure = ConnectionError("down")
    else:
        setup.dead_letters.refuse = {0}
    assert (setup.drained(NOW + timedelta(days=3)), setup.inbox.deleted) == ({"kept": 1}, [])


def test_what_no_journal_will_ever_take_is_given_up_all_the_same() -> None:
    """A line too large for the journal must not keep it in `unclaimed` until that drops it: the letter has it."""
    setup = setup_with(b"not json")
    setup.journal.failure = PermanentError("too_large_for_journal")
    assert setup.drained(NOW + timedelta(days=3)) == {"given_up": 1}
    assert (len(setup.dead_letters.sent), setup.inbox.deleted) == (1, ["m1"])


def real_queue(*bodies: bytes) -> tuple[FakeAws, FakeQueue, SqsInbox]:
    """Return `unclaimed` in the fake SQS, as the clock reads it."""
    service = FakeAws()
    queue = service.sqs.queue("unclaimed", visibility=timedelta(minutes=12), max_receives=1000)
    for body in bodies:
        text, header = pack(as_unclaimed(body, NOW, "unknown_topic"))
        message = OutgoingMessage(body=text, header=header)
        assert SqsOutgoing(queue.url, "unclaimed", service).send([message]) == [None]
    return service, queue, SqsInbox(queue.url, "unclaimed", service)


def test_what_a_tick_leaves_is_visible_again_at_once() -> None:
    """Of 25 messages it places one, and looks at each once; the others are shown at its end, and not before."""
    service, queue, inbox = real_queue(*(b"not json %d" % number for number in range(24)), KNOWN)
    setup = UnclaimedSetup(inbox)
    assert setup.drained() == {"placed": 1, "kept": 24}
    assert {message.receives for message in queue.messages} == {1}
    assert all(message.visible_at <= service.clock.now() for message in queue.messages)
    assert setup.drained() == {"kept": 24}


def test_a_tick_that_fails_shows_what_it_has_received() -> None:
    """Killed, it can show nothing: that stays hidden for the visibility timeout alone."""
    setup = setup_with(KNOWN, b"not json", b"[]")
    receipt = setup.inbox.waiting[1].receipt
    setup.inbox.broken = TransientError("queue unclaimed: SlowDown")
    with pytest.raises(TransientError):
        setup.drained()
    assert (setup.inbox.deleted, setup.inbox.released) == (["m1"], [[receipt]])


def test_no_time_left() -> None:
    """The next tick goes on."""
    assert setup_with(KNOWN).drained(millis=1000) == {}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"time": "2026-01-01T00:15:00Z"}, datetime(2026, 1, 1, 0, 15, tzinfo=UTC)),
        ({"time": "2026-01-01T00:15:00"}, datetime(2026, 1, 1, 0, 15, tzinfo=UTC)),
        ({"time": "soon"}, NOW),
        ({"time": None}, NOW),
        ({}, NOW),
    ],
)
def test_a_ticks_time(event: dict[str, str], expected: datetime) -> None:
    """Scheduled time, the wall clock's only where the tick carries none."""
    assert tick_time(event, NOW) == expected
