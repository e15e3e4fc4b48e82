"""What a refusal of AWS means, and that every sender parts the faulty from the rest."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import botocore
import pytest
from relay.adapters.aws.client import RefusedCallError, aws_errors
from relay.adapters.aws.firehose import FirehoseJournal
from relay.adapters.aws.refusals import AGAIN, CLOCK_SKEW, THROTTLED, is_known, kind_of
from relay.adapters.aws.sns import SnsOutgoing
from relay.adapters.aws.sqs import SqsOutgoing
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.model.header import MessageHeader
from relay.ports.messaging import MessageSender, OutgoingMessage

from tests.support.aws.fake_aws import FakeAws
from tests.support.aws.sns import FakeTopic

OPERATIONS = {
    "sqs": ("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"),
    "sns": ("Publish", "PublishBatch"),
    "firehose": ("PutRecordBatch",),
    "dynamodb": (
        "GetItem",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "BatchGetItem",
        "BatchWriteItem",
        "TransactWriteItems",
        "Query",
        "Scan",
    ),
    "ssm": ("GetParameter",),
}


def modelled_codes() -> Iterator[tuple[str, str]]:
    """Yield service and code of every error that AWS's service models name for an operation of ours."""
    data = Path(botocore.__file__).parent / "data"
    for service, operations in OPERATIONS.items():
        (latest,) = sorted((data / service).glob("*/service-2.json.gz"))[-1:]
        model = json.loads(gzip.decompress(latest.read_bytes()))
        for operation in operations:
            for error in model["operations"][operation].get("errors", ()):
                shape = model["shapes"][error["shape"]]
                yield service, error["shape"]
                if code := shape.get("error", {}).get("code"):
                    yield service, code


@pytest.mark.parametrize(("service", "code"), sorted(set(modelled_codes())))
def test_every_modelled_code_has_a_meaning(service: str, code: str) -> None:
    """None is left to the default, under which a sender's fault would be tried for three days."""
    assert is_known(code), service


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "misconfigured"),
        ("InvalidClientTokenId", "misconfigured"),
        ("InvalidKeyId", "misconfigured"),
        ("KMS.DisabledException", "misconfigured"),
        ("ValidationException", "permanent"),
        ("InvalidMessageContents", "permanent"),
        ("InvalidParameterValue", "permanent"),
        ("AWS.SimpleQueueService.BatchRequestTooLong", "permanent"),
        ("ThrottlingException", "transient"),
        ("OverLimit", "transient"),
        ("ANewCode", "transient"),
    ],
)
def test_codes_as_they_are_really_sent(code: str, kind: str) -> None:
    """Older spellings win in SQS's replies; what is not listed is never given up for a whole call."""
    assert kind_of(code) == kind


def test_no_code_has_two_meanings() -> None:
    """What is tried again at once is never permanent; a wrong clock may turn out to be a wrong key."""
    assert {kind_of(code) for code in THROTTLED | AGAIN} == {"transient"}
    assert {kind_of(code) for code in CLOCK_SKEW} == {"transient", "misconfigured"}


def test_an_unknown_code_of_an_entry_goes_by_its_flag() -> None:
    """An entry says whether the sender is at fault."""
    assert (kind_of("New", sender_fault=True), kind_of("New")) == ("permanent", "transient")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ValidationException", PermanentError),
        ("AccessDeniedException", MisconfiguredError),
        ("InternalServerError", TransientError),
    ],
)
def test_errors_by_meaning(code: str, error: type[Exception]) -> None:
    """A call's refusal becomes the error of its meaning, without a word of what was sent."""
    with pytest.raises(error) as caught, aws_errors("table members"):
        raise RefusedCallError(code, 400, {"message": "mia@example.com"})
    assert type(caught.value) is error
    assert "mia" not in str(caught.value)


def account() -> FakeAws:
    aws = FakeAws()
    queue = aws.sqs.queue("alerts")
    aws.sns.topics["arn"] = FakeTopic([queue])
    aws.firehose.streams["journal"] = []
    return aws


def senders(aws: FakeAws) -> Sequence[MessageSender]:
    return (SqsOutgoing(aws.sqs.queues["alerts"].url, "alerts", aws), SnsOutgoing("arn", "changes", aws))


REFUSED_BODIES = {
    "noncharacter": "declined\uffff",
    "other noncharacter": "declined\ufffe",
    "control character": "declined\x00",
    "empty": "",
    "too large for both": "x" * 1_100_000,
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in REFUSED_BODIES.items()])
@pytest.mark.parametrize("sender", [0, 1])
def test_one_faulty_message_costs_the_others_nothing(body: str, sender: int) -> None:
    """It is refused for good; the others of its batch arrive, however the service refuses."""
    aws = account()
    bodies = ["one", body, "two", "three"]
    answers = senders(aws)[sender].send([OutgoingMessage(body=text) for text in bodies])
    assert [type(answer) for answer in answers] == [type(None), PermanentError, type(None), type(None)]
    assert sorted(message.body for message in aws.sqs.queues["alerts"].messages) == ["one", "three", "two"]


def test_an_attribute_that_cannot_be_is_the_messages_own_fault() -> None:
    """A header is ASCII by itself; an empty one by hand would be refused."""
    aws = account()
    assert OutgoingMessage(body="x", header=MessageHeader(topic="a")).attributes["relay"].isascii()
    (answer,) = SqsOutgoing(aws.sqs.queues["alerts"].url, "alerts", aws).send(
        [OutgoingMessage(body="x", delay=901)]
    )
    assert isinstance(answer, PermanentError)


def test_a_throttled_batch_is_not_given_up() -> None:
    """Throttling of the whole call is transient for each message, and sends none of them one by one."""
    aws = account()

    def throttle(_service: str, _operation: str, _body: Mapping[str, Any]) -> None:
        raise RefusedCallError("ThrottlingException", 400, {})

    aws.before = throttle
    answers = senders(aws)[0].send([OutgoingMessage(body="x")] * 3)
    assert [type(answer) for answer in answers] == [TransientError] * 3
    assert len(aws.calls) == 1


@pytest.mark.parametrize("sender", [0, 1])
def test_a_whole_batch_refused_for_one_is_sent_one_by_one(sender: int) -> None:
    """The service refuses the call and names no entry: only the faulty message is given up."""
    aws = account()

    def refuse(_service: str, _operation: str, body: Mapping[str, Any]) -> None:
        if "bad" in str(body):
            raise RefusedCallError("InvalidParameterValue", 400, {})

    aws.before = refuse
    answers = senders(aws)[sender].send([OutgoingMessage(body=text) for text in ("one", "bad", "two")])
    assert [type(answer) for answer in answers] == [type(None), PermanentError, type(None)]
    assert [message.body for message in aws.sqs.queues["alerts"].messages] == ["one", "two"]


def test_a_journal_line_that_is_refused_costs_its_record_nothing() -> None:
    """Several lines are one record: refused for good, it is written line by line."""
    aws = account()
    bad = b"bad"

    def refuse(_service: str, _operation: str, body: Mapping[str, Any]) -> None:
        if any(bad in record["Data"] for record in body["Records"]):
            raise RefusedCallError("InvalidArgumentException", 400, {})

    aws.before = refuse
    answers = FirehoseJournal("journal", aws).write([{"id": "1"}, {"id": "bad"}, {"id": "3"}])
    assert [type(answer) for answer in answers] == [type(None), PermanentError, type(None)]
    written = b"".join(aws.firehose.streams["journal"])
    assert (b'"1"' in written, bad in written, b'"3"' in written) == (True, False, True)
