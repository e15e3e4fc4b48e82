"""Queues, topics, the journal and secrets, in AWS's own terms."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.aws.firehose import FirehoseJournal
from relay.adapters.aws.sns import SnsOutgoing
from relay.adapters.aws.sqs import SqsInbox, SqsOutgoing, SqsSource
from relay.adapters.aws.ssm import Secret
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.model.delivery import unpack
from relay.model.header import MessageHeader
from relay.ports.messaging import OutgoingMessage
from relay.queues.batch import read_message

from tests.support.aws.boto_manner import boto_manner
from tests.support.port_fakes import queued, sample


@pytest.fixture
def queue() -> str:
    url: str = client("sqs").create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    return url


def message(body: str = "body", topic: str | None = None) -> OutgoingMessage:
    return OutgoingMessage(body=body, header=MessageHeader(topic=topic))


def test_more_messages_than_a_batch_takes(queue: str) -> None:
    """Twenty-five messages, an answer for each, and all of them there."""
    answers = SqsOutgoing(queue, "q").send([message(str(number), topic=f"t{number}") for number in range(25)])
    assert answers == [None] * 25
    count = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert count["ApproximateNumberOfMessages"] == "25"


def test_heavy_messages_go_in_batches_that_sqs_takes(queue: str) -> None:
    """Three of 400 kB are more than a batch may weigh together."""
    assert SqsOutgoing(queue, "q").send([message("x" * 400_000)] * 3) == [None] * 3


@dataclass
class Weighing:
    """An SNS that remembers what each batch weighed."""

    weights: list[int]

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        entries = request["PublishBatchRequestEntries"]
        self.weights.append(sum(len(entry["Message"]) for entry in entries))
        return {"Successful": [{"Id": entry["Id"]} for entry in entries]}


def test_heavy_changes_go_in_batches_that_sns_takes() -> None:
    """SNS takes 256 KiB a batch, a quarter of what SQS takes."""
    sns = Weighing([])
    assert SnsOutgoing("arn", "t", boto_manner(sns)).send([message("x" * 100_000)] * 5) == [None] * 5
    assert max(sns.weights) <= 256 * 1024


@dataclass
class Refusing:
    """An SQS or SNS that takes every entry but the second."""

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        entries = request["Entries"]
        return {
            "Successful": [{"Id": entry["Id"]} for entry in entries if entry["Id"] != "1"],
            "Failed": [{"Id": "1", "Code": "InternalError"}] if len(entries) > 1 else [],
        }

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        return self.send_message_batch(Entries=request["PublishBatchRequestEntries"])


@pytest.mark.parametrize(
    "target",
    [SqsOutgoing("url", "q", boto_manner(Refusing())), SnsOutgoing("arn", "t", boto_manner(Refusing()))],
)
def test_an_entry_that_is_refused(target: SqsOutgoing | SnsOutgoing) -> None:
    """A batch that succeeded as a whole may have lost one entry: it alone is answered so."""
    answers = target.send([message()] * 3)
    assert [type(answer) for answer in answers] == [type(None), TransientError, type(None)]


def test_a_queue_that_is_not_there() -> None:
    """Every message is answered, and the setting is named."""
    answers = SqsOutgoing("http://localhost:1/123456789012/none", "none").send([message()])
    assert isinstance(answers[0], TransientError)


def test_put_off_and_deleted(queue: str) -> None:
    """A source's copies come back with their attributes; what is deleted does not."""
    source, inbox = SqsSource(queue, "q"), SqsInbox(queue, "q")
    record = queued(sample("customer.ordered"))
    original = read_message(record)
    source.defer([OutgoingMessage(body=original.body, header=original.header)])
    (received,) = inbox.receive()
    assert unpack(received.body, received.header) == unpack(original.body, original.header)
    inbox.delete([received])
    assert inbox.receive() == []


def test_changes_reach_a_subscribed_queue(queue: str) -> None:
    """Raw delivery: the queue's body is what was published."""
    topic = client("sns").create_topic(Name="changes")["TopicArn"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
    assert SnsOutgoing(topic, "changes").send([message("a"), message("b")]) == [None, None]
    bodies = {received.body for _ in range(2) for received in SqsInbox(queue, "q").receive()}
    assert bodies == {"a", "b"}


@pytest.fixture
def bucket() -> str:
    client("s3").create_bucket(Bucket="journal")
    client("firehose").create_delivery_stream(
        DeliveryStreamName="journal",
        S3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/r",
            "BucketARN": "arn:aws:s3:::journal",
        },
    )
    return "journal"


def lines(bucket: str) -> list[Mapping[str, Any]]:
    found = []
    for entry in client("s3").list_objects_v2(Bucket=bucket).get("Contents", []):
        content = client("s3").get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        found += [json.loads(line) for line in content.splitlines()]
    return found


def test_the_journal(bucket: str) -> None:
    """A JSON line for each, more than one call takes, also with text that has no UTF-8."""
    written = [{"id": str(number), "name": "é\ud800"} for number in range(501)]
    assert FirehoseJournal("journal").write(written) == [None] * 501
    assert sorted(line["id"] for line in lines(bucket)) == sorted(str(number) for number in range(501))
    assert lines(bucket)[0]["name"] == "é\ud800"


def test_a_line_that_no_journal_takes(bucket: str) -> None:
    """Larger than a record may be, even packed: it alone is refused for good."""
    noise = base64.b64encode(random.Random(1).randbytes(1_100_000)).decode()
    answers = FirehoseJournal("journal").write([{"id": "1", "raw": noise}, {"id": "2"}])
    assert [type(answer) for answer in answers] == [PermanentError, type(None)]
    assert [line["id"] for line in lines(bucket)] == ["2"]


@dataclass
class FakeFirehose:
    """A Firehose that keeps the sizes of records by call, and refuses the records at some positions over all calls."""

    refuse: frozenset[int] = frozenset()
    calls: list[list[int]] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)

    def put_record_batch(self, **request: Any) -> dict[str, Any]:
        done = sum(len(call) for call in self.calls)
        data = [record["Data"] for record in request["Records"]]
        self.calls.append([len(each) for each in data])
        self.lines += [json.loads(line) for each in data for line in each.splitlines()]
        return {
            "RequestResponses": [
                {"ErrorCode": "ServiceUnavailableException"}
                if done + place in self.refuse
                else {"RecordId": "1"}
                for place in range(len(data))
            ]
        }


def test_lines_share_records_and_records_share_calls() -> None:
    """2,000 ordinary lines are two records in one call; each stays a line of its own, in order."""
    firehose = FakeFirehose()
    written = [{"id": number, "text": "x" * 900} for number in range(2000)]
    assert FirehoseJournal("journal", boto_manner(firehose)).write(written) == [None] * 2000
    assert [len(call) for call in firehose.calls] == [2]
    assert firehose.lines == written


def test_no_record_and_no_call_is_larger_than_firehose_takes() -> None:
    """A record has 1,000 KiB, a call 500 records and 4 MiB."""
    firehose = FakeFirehose()
    chance = random.Random(1)
    written = [{"id": number, "text": "x" * chance.randrange(900_000)} for number in range(40)]
    assert FirehoseJournal("journal", boto_manner(firehose)).write(written) == [None] * 40
    assert max(size for call in firehose.calls for size in call) <= 1_000 * 1024
    assert max(map(sum, firehose.calls)) <= 4 * 1024 * 1024
    assert firehose.lines == written


def test_a_record_that_was_refused_fails_each_of_its_lines() -> None:
    """And no other: the lines of the other records were taken."""
    lines = [{"id": number, "text": "x" * 400_000} for number in range(5)]
    answers = FirehoseJournal("journal", boto_manner(FakeFirehose(frozenset({1})))).write(lines)
    assert [type(answer) for answer in answers] == [
        type(None), type(None), TransientError, TransientError, type(None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "reply", [{}, {"RequestResponses": []}, {"RequestResponses": [{"RecordId": "1"}] * 2}]
)
def test_an_answer_for_each_record_or_for_none(reply: dict[str, Any]) -> None:
    """With an answer too few or too many, none can be told apart: no line counts as written, and none is lost."""
    firehose = FakeFirehose()
    firehose.put_record_batch = lambda **_: reply  # type: ignore[method-assign]
    answers = FirehoseJournal("journal", boto_manner(firehose)).write([{"id": "1"}, {"id": "2"}])
    assert [type(answer) for answer in answers] == [TransientError] * 2


def test_a_call_that_failed_fails_all_its_lines() -> None:
    """Firehose did not answer: nothing counts as written."""
    firehose = client("firehose")
    answers = FirehoseJournal("no such stream", boto_manner(firehose)).write([{"id": "1"}, {"id": "2"}])
    assert all(isinstance(answer, TransientError) for answer in answers)


def test_a_secret() -> None:
    """Read once, read anew when a server refused it, and in no repr."""
    ssm = client("ssm")
    ssm.put_parameter(Name="/relay/key", Value="s3cret\n", Type="SecureString")
    secret = Secret("/relay/key")
    assert secret.value() == "s3cret"
    ssm.put_parameter(Name="/relay/key", Value="rotated", Type="SecureString", Overwrite=True)
    assert secret.value() == "s3cret"
    assert "s3cret" not in repr(secret)
    secret.forget()
    assert secret.value() == "rotated"


@pytest.mark.parametrize("value", [None, " "])
def test_a_secret_that_is_missing_or_empty(value: str | None) -> None:
    """The setting is named, its value never."""
    if value:
        client("ssm").put_parameter(Name="/relay/key", Value=value, Type="SecureString")
    with pytest.raises(MisconfiguredError) as wrong:
        Secret("/relay/key").value()
    assert wrong.value.setting.endswith("/relay/key")
