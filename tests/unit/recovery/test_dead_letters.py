"""Dead letters are listed by group, go back to the queues they came from as new messages, and are kept when dropped."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.adapters.aws.client import NoAnswerError
from relay.adapters.aws.sqs import SqsInbox, SqsOutgoing
from relay.errors import PermanentError, TransientError
from relay.model.delivery import Delivery, pack
from relay.model.header import MessageHeader
from relay.model.messages import MemberChanged, dump
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.queues.batch import Message, dead_letter, read_message
from relay.recovery.dead_letters import MOST_REDRIVES, Archived, DeadLetters, RedriveOptions
from relay.recovery.letters import LetterFilter, read_letter

from tests.support.aws.fake_aws import FakeAws
from tests.support.port_fakes import SHOP, FakeJournal
from tests.support.sample_events import content

STACK = "relay-acme"
EVERY = LetterFilter()


@dataclass
class Letters:
    """A stack's dead letters in the fake SQS, and what is around them."""

    aws: FakeAws = field(default_factory=FakeAws)
    journal: FakeJournal = field(default_factory=FakeJournal)
    slept: list[float] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    windows: list[tuple[datetime, datetime]] = field(default_factory=list)
    members_found: int = 1
    stream_fails: bool = False

    def __post_init__(self) -> None:
        """Make the queue."""
        self.aws.sqs.queue(f"{STACK}-dead-letters", retention=timedelta(days=14))

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.aws.clock.now()

    def queue(self, name: str) -> SqsOutgoing:
        """Return one of the stack's queues."""
        return SqsOutgoing(self.aws.sqs.queue(f"{STACK}-{name}").url, name, self.aws)

    def queue_named(self, name: str) -> MessageSender | None:
        """Return a queue that there is."""
        return self.queue(name) if f"{STACK}-{name}" in self.aws.sqs.queues else None

    def letters(self) -> DeadLetters:
        """Return what the commands use."""
        queue = self.aws.sqs.queue(f"{STACK}-dead-letters")
        return DeadLetters(
            stack=STACK,
            shop=SHOP,
            queue=SqsInbox(queue.url, "dead letters", self.aws, hidden_for=600),
            queue_named=self.queue_named,
            journal=self.journal,
            clock=lambda: self.now,
            by="kim",
            sleep=self.slept.append,
            fan_out_again=self.fan_out_again,
            erased=lambda customers: self.erased & set(customers),
        )

    def fan_out_again(self, window: tuple[datetime, datetime]) -> int:
        """Remember the window; return how many members the journal has for it."""
        if self.stream_fails:
            raise TransientError("journal's bucket: SlowDown")
        self.windows.append(window)
        return self.members_found

    def give_up(self, name: str, body: str, header: MessageHeader, reason: str = "no_member") -> None:
        """Put a message into the dead letters as a function does."""
        message = Message(id="m", body=body, receives=1, receipt="", sent_at=self.now, header=header)
        letter = dead_letter(message, PermanentError(reason), name)
        assert self.queue("dead-letters").send([letter]) == [None]

    def give_up_event(
        self, name: str, customer: str = "7001", reason: str = "no_member", **header: Any
    ) -> None:
        """Put an event of a topic's queue into the dead letters."""
        self.queue(name)
        text, made = event(customer)
        self.give_up(name, text, replace(made, **header), reason)

    def waiting(self, name: str) -> list[Message]:
        """Return what is in a queue, and leave it there."""
        queue = self.aws.sqs.queue(f"{STACK}-{name}")
        inbox = SqsInbox(queue.url, name, self.aws, hidden_for=0)
        return list(inbox.receive())


def event(customer: str) -> tuple[str, MessageHeader]:
    """Return a queued event of a customer."""
    body = json.dumps(content("cancelled", 1, customerId=customer)).encode()
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return pack(
        Delivery(event_id=f"{int(customer):032x}", body=body, received_at=at, topic="customer.cancelled")
    )


@pytest.fixture
def setup() -> Letters:
    """Return an empty queue of dead letters."""
    return Letters()


def test_groups_first(setup: Letters) -> None:
    """Letters are counted by source, topic and reason, and those of a limit are the oldest."""
    for customer in range(7001, 7026):
        setup.give_up_event("cancelled", str(customer))
    setup.give_up("hubspot", dump(MemberChanged(member=f"{SHOP}:6001")), MessageHeader(), reason="too_old")
    found, groups = setup.letters().find(EVERY, limit=3)
    assert [(one.source, one.topic, one.reason, one.count) for one in groups] == [
        ("cancelled", "customer.cancelled", "no_member", 25),
        ("hubspot", "unknown", "too_old", 1),
    ]
    assert [letter.customer for letter in found] == ["6001", "7001", "7002"]
    assert len(setup.waiting("dead-letters")) == 10, "a list leaves every letter visible"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (LetterFilter(customers=frozenset({"7002"})), ["7002"]),
        (LetterFilter(sources=frozenset({"payment_failed"})), ["7003"]),
        (LetterFilter(reasons=frozenset({"too_old"})), ["7002"]),
        (LetterFilter(topics=frozenset({"customer.joined.paid_tier"})), []),
        (LetterFilter(ids=frozenset({f"{7001:032x}"})), ["7001"]),
        (LetterFilter(since=datetime(2026, 3, 2, tzinfo=UTC)), []),
        (LetterFilter(until=datetime(2026, 3, 2, tzinfo=UTC)), ["7001", "7002", "7003"]),
    ],
)
def test_filters(setup: Letters, chosen: LetterFilter, expected: list[str]) -> None:
    """Each field of the filter chooses alone."""
    setup.give_up_event("cancelled", "7001")
    setup.give_up_event("cancelled", "7002", "too_old")
    setup.give_up_event("payment_failed", "7003")
    assert [letter.customer for letter in setup.letters().find(chosen)[0]] == expected


def test_each_goes_back_to_its_own_queue(setup: Letters) -> None:
    """Letters of ten sources go to ten queues, with body and first receipt unchanged and everything else as new."""
    sources = (
        "cancelled",
        "payment_failed",
        "ordered",
        "updated",
        "alerts",
        "hubspot",
        "klaviyo",
        "reconcile",
        "unclaimed",
        "credits_updated",
    )
    for number, source in enumerate(sources):
        setup.give_up_event(source, str(7001 + number), receives=9, deferrals=40)
    setup.aws.clock.advance(timedelta(days=4))
    result = setup.letters().redrive(EVERY, RedriveOptions())
    assert (result.done, result.failed, dict(result.skipped)) == (10, 0, {})
    assert not setup.waiting("dead-letters")
    for number, source in enumerate(sources):
        [message] = setup.waiting(source)
        text, header = event(str(7001 + number))
        assert message.body == text
        assert message.header == replace(header, since=setup.now, redrives=1)
        assert setup.now - message.waiting_since < timedelta(days=3), "it does not die of its age"
    assert [(line["action"], line["body"]["by"]) for line in setup.journal.lines] == [
        ("redriven", "kim")
    ] * 10


def test_a_letter_that_sqs_moved(setup: Letters) -> None:
    """After too many receives SQS moves a message: its queue is the one that SQS names."""
    letters = setup.aws.sqs.queue(f"{STACK}-dead-letters")
    source = setup.aws.sqs.queue(f"{STACK}-alerts", dead_letters=letters, max_receives=2)
    setup.queue("alerts").send([OutgoingMessage(body="{}", header=MessageHeader(topic="relay.tick"))])
    for _ in range(3):
        source.poll()
        setup.aws.clock.advance(timedelta(hours=1))
    [letter], _ = setup.letters().find(EVERY)
    assert (letter.source, letter.reason, letter.topic) == ("alerts", "received_too_often", "relay.tick")
    assert setup.letters().redrive(EVERY, RedriveOptions()).done == 1
    assert [message.body for message in setup.waiting("alerts")] == ["{}"]


def test_a_letter_that_comes_back_at_once_is_sent_back_once(setup: Letters) -> None:
    """Its cause is not mended: the same command leaves it, says so, and counts one redrive; a later one may send it."""
    setup.aws.clock.advance(timedelta(microseconds=123_456))
    setup.give_up_event("updated", "7001")

    def fail_again(_seconds: float) -> None:
        inbox = SqsInbox(setup.aws.sqs.queue(f"{STACK}-updated").url, "updated", setup.aws, hidden_for=600)
        for message in inbox.receive():
            inbox.delete([message])
            setup.give_up("updated", message.body, message.header)

    command = replace(setup.letters(), sleep=fail_again)
    result = command.redrive(EVERY, RedriveOptions())
    assert (result.done, dict(result.skipped)) == (1, {"came_back": 1})
    [letter], _ = setup.letters().find(EVERY)
    assert letter.header.redrives == 1
    setup.aws.clock.advance(timedelta(minutes=20))
    assert setup.letters().redrive(EVERY, RedriveOptions()).done == 1


def test_grants_and_frequent_returns_stay(setup: Letters) -> None:
    """A grant is money, and a fourth redrive meets the same cause: both need to be asked for."""
    setup.give_up_event("grants", "7001")
    setup.give_up_event("cancelled", "7002", redrives=MOST_REDRIVES)
    result = setup.letters().redrive(EVERY, RedriveOptions())
    assert (result.done, dict(result.skipped)) == (0, {"grants": 1, "redriven_often": 1})
    assert len(setup.waiting("dead-letters")) == 2
    assert setup.letters().redrive(EVERY, RedriveOptions(with_grants=True, force=True)).done == 2


def test_a_dry_run_moves_nothing(setup: Letters) -> None:
    """The groups that would be moved are returned; a limit counts them."""
    for customer in range(7001, 7006):
        setup.give_up_event("cancelled", str(customer))
    result = setup.letters().redrive(EVERY, RedriveOptions(dry_run=True, limit=3))
    assert (result.done, [group.count for group in result.groups]) == (0, [3])
    assert len(setup.waiting("dead-letters")) == 5
    assert not setup.waiting("cancelled")


def test_a_rate(setup: Letters) -> None:
    """Twenty a second: ten letters take half a second."""
    for customer in range(7001, 7021):
        setup.give_up_event("cancelled", str(customer))
    setup.letters().redrive(EVERY, RedriveOptions())
    assert setup.slept == [0.5, 0.5]


def test_a_queue_that_is_gone(setup: Letters) -> None:
    """A target that was removed has no queue: its letters stay and are counted."""
    setup.give_up("hubspot", dump(MemberChanged(member=f"{SHOP}:7001")), MessageHeader())
    result = setup.letters().redrive(EVERY, RedriveOptions())
    assert (result.done, dict(result.skipped)) == (0, {"no_queue": 1})
    assert len(setup.waiting("dead-letters")) == 1


def test_what_a_queue_refuses_stays(setup: Letters) -> None:
    """A letter is deleted after its queue has taken it, and not before."""
    setup.give_up_event("cancelled")

    def refuse(_service: str, operation: str, _body: Any) -> None:
        if operation == "SendMessageBatch":
            raise NoAnswerError("ReadTimeout", sent=True)

    setup.aws.before = refuse
    result = setup.letters().redrive(EVERY, RedriveOptions())
    setup.aws.before = lambda *_: None
    assert (result.done, result.failed) == (0, 1)
    assert len(setup.waiting("dead-letters")) == 1


def test_a_dropped_letter_is_in_the_journal(setup: Letters) -> None:
    """The event's line has its content as `dead`, the action's line the person; then the letter is gone."""
    setup.give_up_event("cancelled")
    assert setup.letters().drop(EVERY).done == 1
    assert not setup.waiting("dead-letters")
    line, action = setup.journal.lines
    assert (line["kind"], line["outcome"], line["customer"], line["reason"]) == (
        "event",
        "dead",
        "7001",
        "no_member",
    )
    assert line["body"]["payload"]["customerId"] == "7001"
    assert (action["action"], action["body"]["by"]) == ("dropped", "kim")


def test_a_journal_that_is_down_keeps_the_letter(setup: Letters) -> None:
    """What could not be journaled is not dropped."""
    setup.give_up_event("cancelled")
    setup.journal.failure = TransientError("journal")
    result = setup.letters().drop(EVERY)
    assert (result.done, result.failed) == (0, 1)
    assert len(setup.waiting("dead-letters")) == 1


def test_old_letters_are_journaled_and_stay(setup: Letters) -> None:
    """Ten days after it was sent a letter is journaled; a younger one is not."""
    setup.give_up_event("cancelled", "7001")
    setup.aws.clock.advance(timedelta(days=10))
    setup.give_up_event("cancelled", "7002")
    assert setup.letters().archive(setup.now) == Archived(archived=1)
    assert {line["customer"] for line in setup.journal.lines} == {"7001"}
    assert len(setup.waiting("dead-letters")) == 2
    setup.journal.failure = TransientError("journal")
    with pytest.raises(TransientError):
        setup.letters().archive(setup.now)


def test_an_erased_members_webhooks_are_dropped(setup: Letters) -> None:
    """At any age, with a line that says what was dropped and nothing of the person; a joining and our own messages stay."""
    setup.erased = {"7001"}
    setup.give_up_event("cancelled", "7001")
    setup.give_up_event("cancelled", "7002")
    setup.give_up_event("joined_paid_tier", "7001", topic="customer.joined.paid_tier")
    setup.give_up("hubspot", dump(MemberChanged(member=f"{SHOP}:7001")), MessageHeader())
    assert setup.letters().archive(setup.now) == Archived(erased=1)
    assert len(setup.waiting("dead-letters")) == 3
    line, action = setup.journal.lines
    assert (line["customer"], line["erased"], line["outcome"], "body" in line) == (
        "7001",
        True,
        "dead",
        False,
    )
    assert (action["action"], action["customer"]) == ("dropped", "7001")


def test_a_drop_keeps_no_word_of_an_erased_member(setup: Letters) -> None:
    """By hand as well."""
    setup.erased = {"7001"}
    setup.give_up_event("cancelled", "7001")
    assert setup.letters().drop(EVERY).done == 1
    assert "mia.keller" not in json.dumps(setup.journal.lines)
    assert "body" not in setup.journal.lines[0]


def test_a_look_that_has_no_time_is_not_whole(setup: Letters) -> None:
    """What there is no time for is left for the next day, and visible again."""
    for customer in range(7001, 7031):
        setup.give_up_event("cancelled", str(customer))
    done = setup.letters().archive(setup.now + timedelta(days=10), has_time=lambda: False)
    assert (done.archived, done.is_whole) == (10, False)
    assert len(setup.waiting("dead-letters")) == 10


def test_a_change_goes_to_all_crms_again(setup: Letters) -> None:
    """From the fan-out, which names the topic, and from SNS, which names no queue; an alarm goes to the notifier."""
    change = dump(MemberChanged(member=f"{SHOP}:7001"))
    setup.give_up("changes", change, MessageHeader(topic="relay.change"), reason="refused_by_service")
    alarm = json.dumps({"AlarmName": "relay-acme-late", "NewStateValue": "ALARM"})
    by_sns = [
        OutgoingMessage(body=change, header=MessageHeader(topic="relay.change")),
        OutgoingMessage(body=alarm),
    ]
    setup.queue("dead-letters").send(by_sns)
    setup.queue("changes")
    setup.queue("alerts")
    found, _ = setup.letters().find(EVERY)
    assert sorted((letter.source, letter.reason) for letter in found) == [
        ("alerts", "not_delivered"),
        ("changes", "not_delivered"),
        ("changes", "refused_by_service"),
    ]
    assert setup.letters().redrive(EVERY, RedriveOptions()).done == 3
    assert [message.body for message in setup.waiting("changes")] == [change] * 2
    assert [message.body for message in setup.waiting("alerts")] == [alarm]
    assert not setup.waiting("dead-letters")


def test_letters_of_the_stream_are_fanned_out_again(setup: Letters) -> None:
    """Each by its own window; then it is gone."""
    setup.queue("dead-letters").send([OutgoingMessage(body=json.dumps(DISCARDED))])
    assert setup.letters().redrive(EVERY, RedriveOptions()).done == 1
    assert setup.windows == [WINDOW]
    assert not setup.waiting("dead-letters")


def test_a_letter_of_the_stream_that_the_journal_does_not_know(setup: Letters) -> None:
    """It stays, since the journal may be late; forced, it goes."""
    setup.queue("dead-letters").send([OutgoingMessage(body=json.dumps(DISCARDED))])
    setup.members_found = 0
    result = setup.letters().redrive(EVERY, RedriveOptions())
    assert (result.done, dict(result.skipped)) == (0, {"not_in_journal": 1})
    assert setup.letters().redrive(EVERY, RedriveOptions(force=True)).done == 1


def test_a_letter_of_the_stream_that_cannot_be_sent(setup: Letters) -> None:
    """It stays, and the letters of other sources go on."""
    setup.queue("dead-letters").send([OutgoingMessage(body=json.dumps(DISCARDED))])
    setup.give_up_event("cancelled")
    setup.stream_fails = True
    result = setup.letters().redrive(EVERY, RedriveOptions())
    assert (result.done, result.failed) == (1, 1)
    assert len(setup.waiting("dead-letters")) == 1


DISCARDED = {
    "requestContext": {"condition": "RetryAttemptsExhausted"},
    "DDBStreamBatchInfo": {
        "shardId": "shardId-1",
        "startSequenceNumber": "1",
        "endSequenceNumber": "9",
        "approximateArrivalOfFirstRecord": "2026-03-01T12:00:00Z",
        "approximateArrivalOfLastRecord": "2026-03-01T12:00:05Z",
        "batchSize": 9,
        "streamArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/members/stream/1",
    },
}
WINDOW = (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC))


def test_a_letter_of_the_stream() -> None:
    """Lambda's record of a discarded batch names a window of time and no member."""
    letter = read_letter(message(json.dumps(DISCARDED)), STACK)
    assert (letter.source, letter.reason) == ("stream", "not_fanned_out")
    assert letter.window == WINDOW


@pytest.mark.parametrize(
    "body", ["", "no json", "[1]", '{"member": 7}', "[" * 5000, '{"DDBStreamBatchInfo": 1}']
)
def test_a_body_of_any_kind(body: str) -> None:
    """What cannot be read has no customer and no window, and raises nothing."""
    letter = read_letter(message(body), STACK)
    assert (letter.customer, letter.window, letter.source, letter.reason) == (None, None, None, "unknown")
    assert letter.content() is not None


def test_values_are_shown_on_request_alone(setup: Letters) -> None:
    """Without `--reveal` a body shows its fields and the kinds of their values."""
    setup.give_up_event("cancelled")
    [letter], _ = setup.letters().find(EVERY)
    assert "7001" not in json.dumps(letter.content())
    shown, revealed = letter.content(), letter.content(reveal=True)
    assert isinstance(shown, dict)
    assert isinstance(revealed, dict)
    assert shown["payload"]["customerId"] == "<str>"
    assert revealed["payload"]["customerId"] == "7001"


def message(body: str) -> Message:
    """Return a received message without a header."""
    return read_message(
        {
            "messageId": "m",
            "body": body,
            "receiptHandle": "r",
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772366400000"},
        }
    )
