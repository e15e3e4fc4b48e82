"""Deploy the notifier's resources: tables, queues, e-mail topic and secret in moto, and a fake Slack."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from fakes.local_server import serve
from fakes.slack import HOOK, FakeSlack
from local_stack.local_http import post
from relay.adapters import http
from relay.adapters.aws import boto
from relay.adapters.dynamodb.members import DynamoMembers
from relay.model.header import MessageHeader
from relay.model.messages import AlertMessage, Outbox, dump
from relay.ports.members import MemberRecord

from tests.support.incident_builders import MIA, SHOP
from tests.support.lambda_env import function_env, sqs_record
from tests.support.moto_tables import make_table
from tests.support.port_fakes import NOW, FakeContext

REGION = "us-east-1"


@dataclass
class Aws:
    """The deployed resources, and what they hold."""

    slack: FakeSlack
    slack_url: str
    names: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return a client of moto."""
        return boto.client(service)

    def emails(self) -> list[Mapping[str, str]]:
        """Take the e-mails that the topic has sent since the last call."""
        sqs, mails = self.client("sqs"), []
        while found := sqs.receive_message(QueueUrl=self.names["inbox"], MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for mail in found:
                sqs.delete_message(QueueUrl=self.names["inbox"], ReceiptHandle=mail["ReceiptHandle"])
                mails.append(json.loads(mail["Body"]))
        return mails

    def slack_texts(self) -> list[str]:
        """Return the texts of the messages that Slack has."""
        return [message["payload"]["text"] for message in self.slack.messages]

    def waiting(self, queue: str) -> list[dict[str, Any]]:
        """Return the messages of a queue, delayed or not."""
        from moto.backends import get_backend

        backend = get_backend("sqs")["123456789012"][REGION]
        name = self.names[queue].rsplit("/", 1)[1]
        return [
            {
                "body": message.body,
                "header": MessageHeader.read(
                    {key: value["StringValue"] for key, value in message.message_attributes.items()}
                ),
            }
            for message in backend.queues[name]._messages
        ]

    def fail(self, **fault: object) -> None:
        """Set Slack's next fault."""
        post(f"{self.slack_url}/_standin/faults", json=fault).raise_for_status()


def event(*alert_messages: AlertMessage, receives: int = 1, deferrals: int = 0) -> dict[str, Any]:
    """Return Lambda's event for a batch of the alerts queue, as the fan-out and the deferral write it."""
    return {
        "Records": [
            sqs_record(
                message.id,
                dump(message),
                receives=receives,
                header=MessageHeader(
                    event_id=message.event_id,
                    topic=message.topic,
                    deferrals=deferrals,
                    received_at=NOW if deferrals else None,
                ),
            )
            for message in alert_messages
        ]
    }


CONTEXT = FakeContext()


@pytest.fixture(scope="module")
def standin() -> Iterator[tuple[FakeSlack, str]]:
    """Serve Slack for the tests of a module."""
    slack_standin = FakeSlack()
    with serve(slack_standin.app) as url:
        yield slack_standin, url
    http.http_client().close()
    http.http_client.cache_clear()


@pytest.fixture
def deployed(standin: tuple[FakeSlack, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """Deploy the notifier's resources, with Mia in the members table, and set its environment."""
    slack_standin, url = standin
    slack_standin.messages.clear()
    slack_standin.faults.clear()
    stack = Aws(slack_standin, url)
    _deploy(stack)
    settings = {
        "SHOP_DOMAIN": SHOP,
        "SOURCE_URL": stack.names["alerts"],
        "SOURCE_NAME": "alerts",
        "DEAD_LETTERS_URL": stack.names["dead"],
        "INCIDENTS_TABLE": "incidents",
        "MEMBERS_TABLE": "members",
        "EMAIL_TOPIC": stack.names["topic"],
        "SLACK_SECRET": "/relay/slack",
        "SLACK_URL": f"{url}/api",
        "SLACK_CHANNEL": "#members",
        "TIME_ZONE": "Europe/Berlin",
        "POWERTOOLS_SERVICE_NAME": "notifier",
    }
    with function_env(monkeypatch, settings):
        DynamoMembers("members", SHOP).save(MemberRecord(member=MIA), Outbox(member=MIA.key, changed=True))
        yield stack


def _deploy(stack: Aws) -> None:
    sqs, sns = stack.client("sqs"), stack.client("sns")
    make_table("incidents")
    make_table("members")
    for queue in ("alerts", "dead", "inbox"):
        stack.names[queue] = sqs.create_queue(QueueName=queue)["QueueUrl"]
    stack.names["topic"] = sns.create_topic(Name="email")["TopicArn"]
    sns.subscribe(
        TopicArn=stack.names["topic"], Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:inbox"
    )
    stack.client("ssm").put_parameter(
        Name="/relay/slack", Value=f"{stack.slack_url}{HOOK}", Type="SecureString"
    )
