"""SNS's answers to an e-mail: sent, not now, a wrong setting, never, or unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from relay.adapters.channels.email import EmailChannel
from relay.errors import MisconfiguredError, NoReplyError, PermanentError, RelayError, TransientError
from relay.ports.alerts import Notification

from tests.support.aws.boto_manner import boto_manner
from tests.support.incident_builders import MIA, alert_message

URL = "https://sns.test"
TOPIC = "arn:aws:sns:us-east-1:123456789012:email"


@dataclass
class FakeSns:
    """SNS that accepts what is published, or fails."""

    failure: Exception | None = None
    published: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, **asked: Any) -> dict[str, Any]:
        """Keep it, or fail."""
        if self.failure:
            raise self.failure
        self.published.append(asked)
        return {}


def send(sns: FakeSns) -> None:
    EmailChannel(TOPIC, boto_manner(sns)).send(
        Notification(alert_message=alert_message(), kind="opened", member=MIA)
    )


def code(name: str) -> ClientError:
    return ClientError({"Error": {"Code": name, "Message": "Mia Keller"}}, "Publish")


def test_one_publish() -> None:
    """Subject and text go to the topic, once."""
    sns = FakeSns()
    send(sns)
    (published,) = sns.published
    assert published["TopicArn"] == TOPIC
    assert published["Subject"] == "Relay Warning: Payment failed [7001]"
    assert published["Message"].startswith("Warning: Payment failed\n")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ReadTimeoutError(endpoint_url=URL), NoReplyError),
        (ConnectionClosedError(endpoint_url=URL), NoReplyError),
        (ConnectTimeoutError(endpoint_url=URL), TransientError),
        (EndpointConnectionError(endpoint_url=URL), TransientError),
        (code("Throttled"), TransientError),
        (code("InternalError"), TransientError),
        (code("AuthorizationError"), MisconfiguredError),
        (code("NotFound"), MisconfiguredError),
        (code("InvalidParameter"), PermanentError),
    ],
)
def test_refusals(failure: Exception, kind: type[RelayError]) -> None:
    """Only a missing reply after the request was sent is uncertain; no error contains a text of AWS."""
    with pytest.raises(RelayError) as caught:
        send(FakeSns(failure))
    assert type(caught.value) is kind
    assert "Mia" not in str(caught.value)


def test_a_publish_is_not_repeated() -> None:
    """The client is called so: a repetition of its own would not be marked as a possible repeat."""
    asked: list[bool] = []

    class Asked:
        ends_at: float | None = None

        def call(self, service: str, operation: str, body: Any, *, repeatable: bool = True) -> dict[str, Any]:
            asked.append(repeatable)
            return {}

    EmailChannel(TOPIC, Asked()).send(Notification(alert_message=alert_message(), kind="opened", member=MIA))
    assert asked == [False]
