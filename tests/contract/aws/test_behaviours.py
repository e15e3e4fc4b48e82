"""The stand-ins for AWS behave as AWS does, or are known not to: fakes and moto here, the local AWS in tests/e2e."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from tests.contract.aws.behaviours import BEHAVIOURS, LACKS, Account
from tests.support.aws.boto_call import BotoCall
from tests.support.aws.fake_aws import FakeAws
from tests.support.aws.sns import FakeTopic

ROOT = Path(__file__).parents[3]


@pytest.fixture
def fake() -> Account:
    """Return an account of the fakes."""
    aws = FakeAws()
    queue = aws.sqs.queue("queue")
    aws.dynamodb.table("table", "pk")
    aws.dynamodb.table("ranged", "pk", "sk")
    aws.sns.topics["arn:aws:sns:us-east-1:123456789012:topic"] = FakeTopic()
    aws.firehose.streams["stream"] = []
    aws.ssm.parameters["/secret"] = "secret"
    return Account(
        aws.call,
        queue.url,
        "table",
        "ranged",
        "arn:aws:sns:us-east-1:123456789012:topic",
        "stream",
        "/secret",
    )


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Return an account of moto."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        session = boto3.session.Session()
        clients = {
            name: session.client(name) for name in ("sqs", "dynamodb", "sns", "firehose", "ssm", "s3", "iam")
        }
        yield made(clients, BotoCall(clients.__getitem__))


def made(clients: dict[str, object], call: BotoCall) -> Account:
    """Make an account's resources by botocore's clients."""
    sqs, dynamodb, sns, firehose, ssm, s3 = (
        clients[name] for name in ("sqs", "dynamodb", "sns", "firehose", "ssm", "s3")
    )
    queue = sqs.create_queue(QueueName="queue")["QueueUrl"]  # type: ignore[attr-defined]  # botocore's clients have no types
    for name, keys in (("table", ("pk",)), ("ranged", ("pk", "sk"))):
        dynamodb.create_table(  # type: ignore[attr-defined]  # likewise
            TableName=name,
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
    topic = sns.create_topic(Name="topic")["TopicArn"]  # type: ignore[attr-defined]  # likewise
    s3.create_bucket(Bucket="bucket")  # type: ignore[attr-defined]  # likewise
    firehose.create_delivery_stream(  # type: ignore[attr-defined]  # likewise
        DeliveryStreamName="stream",
        S3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/r",
            "BucketARN": "arn:aws:s3:::bucket",
        },
    )
    ssm.put_parameter(Name="/secret", Value="secret", Type="SecureString")  # type: ignore[attr-defined]  # likewise
    return Account(call.call, queue, "table", "ranged", topic, "stream", "/secret")


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_fakes(name: str, fake: Account) -> None:
    """The fakes lack nothing of what Relay relies on."""
    assert not LACKS["fake"]
    BEHAVIOURS[name](fake)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_moto(name: str, moto: Account, request: pytest.FixtureRequest) -> None:
    """What moto lacks is named, and fails: when moto has learnt it, the name goes."""
    if name in LACKS["moto"]:
        request.applymarker(pytest.mark.xfail(reason=LACKS["moto"][name], strict=True))
    BEHAVIOURS[name](moto)
