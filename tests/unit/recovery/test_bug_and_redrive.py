"""A bug is released and mended: every letter it made goes back, and the record is as if there had never been one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from relay.adapters.aws.sqs import SqsInbox, SqsOutgoing, SqsSource
from relay.ingest.consumer import Consumer, ConsumerServices
from relay.ingest.reducer import TopicRule
from relay.model.delivery import Delivery, pack
from relay.model.facts import Facts
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.queues.batch import Batch
from relay.recovery.dead_letters import DeadLetters, RedriveOptions
from relay.recovery.letters import LetterFilter

from tests.support.aws.fake_aws import FakeAws
from tests.support.port_fakes import SHOP, FakeContext, FakeJournal, FakeMembers, FakeTelemetry, empty
from tests.support.sample_events import content
from tests.support.topic_functions import TOPIC_RULES

STACK, TOPIC = "relay-acme", "customer.cancelled"
RULE = TOPIC_RULES[TOPIC]
KEY = f"{SHOP}:7001"


@dataclass
class Shop:
    """A topic's queue with its consumer, and the dead letters, in the fake SQS."""

    aws: FakeAws = field(default_factory=FakeAws)
    members: FakeMembers = field(default_factory=FakeMembers)
    journal: FakeJournal = field(default_factory=FakeJournal)

    def __post_init__(self) -> None:
        """Make the queues."""
        letters = self.aws.sqs.queue(f"{STACK}-dead-letters", retention=timedelta(days=14))
        self.source = self.aws.sqs.queue(f"{STACK}-cancelled", dead_letters=letters, max_receives=20)

    def queue_named(self, name: str) -> MessageSender | None:
        """Return one of the stack's queues."""
        found = self.aws.sqs.queues.get(f"{STACK}-{name}")
        return SqsOutgoing(found.url, name, self.aws) if found else None

    def deliver(self, customer: str) -> None:
        """Queue an event of a customer."""
        body = json.dumps(content("cancelled", 1, customerId=customer)).encode()
        text, header = pack(
            Delivery(event_id=f"{int(customer):032x}", body=body, received_at=self.now, topic=TOPIC)
        )
        SqsOutgoing(self.source.url, "cancelled", self.aws).send([OutgoingMessage(body=text, header=header)])

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.aws.clock.now()

    def work(self, rule: TopicRule[Any], hours: int) -> None:
        """Let Lambda hand out what there is, every quarter of an hour for so long."""
        services = ConsumerServices(
            shop=SHOP,
            batch=Batch(
                source=SqsSource(self.source.url, "cancelled", self.aws),
                dead_letters=SqsOutgoing(
                    self.aws.sqs.queue(f"{STACK}-dead-letters").url, "dead letters", self.aws
                ),
                clock=lambda: self.now,
                log=lambda *_: None,
            ),
            members=self.members,
            journal=self.journal,
            telemetry=FakeTelemetry(),
        )
        for _ in range(4 * hours):
            event = self.source.poll()
            if event:
                self.source.process_response(event, Consumer(rule, lambda: services)(event, FakeContext()))
            self.aws.clock.advance(timedelta(minutes=15))

    def letters(self) -> DeadLetters:
        """Return what the command uses."""
        queue = self.aws.sqs.queue(f"{STACK}-dead-letters")
        return DeadLetters(
            stack=STACK,
            shop=SHOP,
            queue=SqsInbox(queue.url, "dead letters", self.aws, hidden_for=600),
            queue_named=self.queue_named,
            journal=self.journal,
            clock=lambda: self.now,
            sleep=lambda _seconds: None,
            fan_out_again=lambda _window: 0,
        )


def _broken(event: Any) -> Facts:
    """Read an event as the released bug does."""
    raise KeyError(event.customer_id)


def test_a_bug_released_mended_redriven() -> None:
    """Three days of events die of the bug; one redrive after the mending, and each is applied once."""
    shop = Shop()
    for customer in ("7001", "7002", "7003"):
        shop.deliver(customer)
        shop.work(replace(RULE, facts=_broken), hours=24)
    shop.work(replace(RULE, facts=_broken), hours=24)
    letters, groups = shop.letters().find(LetterFilter())
    assert sorted(letter.customer or "" for letter in letters) == ["7001", "7002", "7003"]
    assert {group.source for group in groups} == {"cancelled"}
    assert not shop.members.records

    result = shop.letters().redrive(LetterFilter(), RedriveOptions())
    assert (result.done, result.failed) == (3, 0)
    shop.work(RULE, hours=4)
    assert not shop.letters().find(LetterFilter())[0]

    expected = Shop()
    for customer in ("7001", "7002", "7003"):
        expected.deliver(customer)
        expected.work(RULE, hours=24)
    assert {key: record.member for key, record in shop.members.records.items()} == {
        key: record.member for key, record in expected.members.records.items()
    }
    assert [line["outcome"] for line in shop.journal.lines if line["kind"] == "event"] == ["applied"] * 3


def test_a_bug_that_is_not_mended() -> None:
    """The letters come back with a count, and the fourth redrive asks for `--force`."""
    shop = Shop()
    shop.deliver("7001")
    shop.work(replace(RULE, facts=_broken), hours=24)
    for redrives in range(3):
        assert shop.letters().redrive(LetterFilter(), RedriveOptions()).done == 1
        shop.work(replace(RULE, facts=_broken), hours=24)
        [letter], _ = shop.letters().find(LetterFilter())
        assert letter.header.redrives == redrives + 1
    result = shop.letters().redrive(LetterFilter(), RedriveOptions())
    assert (result.done, dict(result.skipped)) == (0, {"redriven_often": 1})
    assert empty(KEY).version == 0
