"""The stand-ins for AWS behave as AWS does, or are known not to: fakes and moto here, the local AWS in tests/e2e."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import boto3
import pytest
from moto import mock_aws
from relay.adapters.aws.boto import BotoAws

from tests.contract.aws.behaviours import BEHAVIOURS, LACKS, Account
from tests.contract.aws.page import PAGE, page
from tests.support.aws.fake_aws import FakeAws
from tests.support.aws.moto_account import SERVICES, make_account
from tests.support.aws.sns import FakeTopic

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


@pytest.fixture
def fake() -> Account:
    """Return an account of the fakes."""
    aws = FakeAws()
    queue = aws.sqs.queue("queue")
    aws.dynamodb.table("table", "pk")
    aws.dynamodb.table("ranged", "pk", "sk")
    aws.sns.topics[TOPIC] = FakeTopic()
    aws.firehose.streams["stream"] = []
    aws.ssm.parameters["/secret"] = "secret"
    return Account(aws.call, queue.url, "table", "ranged", TOPIC, "stream", "/secret")


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Any]]:
    """Return botocore's clients of one moto account."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            session = boto3.session.Session()
            yield {name: session.client(name) for name in SERVICES}


NUMBERS = count()


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_fakes(name: str, fake: Account) -> None:
    """The fakes lack nothing of what Relay relies on."""
    assert not LACKS["fake"]
    BEHAVIOURS[name](fake)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_moto(name: str, clients: dict[str, Any], request: pytest.FixtureRequest) -> None:
    """What moto lacks is named, and fails: when moto has learnt it, the name goes."""
    if name in LACKS["moto"]:
        request.applymarker(pytest.mark.xfail(reason=LACKS["moto"][name], strict=True))
    BEHAVIOURS[name](make_account(clients, BotoAws(clients.__getitem__).call, f"t{next(NUMBERS)}"))


def test_the_page_is_current() -> None:
    """docs/aws-stand-ins.md has the table as it follows from the behaviours (`python -m tests.contract.aws.page`)."""
    assert PAGE.read_text(encoding="utf-8") == page()
