"""Print the files that one `customer.payment_failed` enters on its way to HubSpot and to Slack.

The Lambda handlers run in this process, one after the other, with AWS in memory (moto) and fakes of HubSpot and Slack
on the loopback interface. Files of functions/ and layers/shared/relay count. They are listed by stage, in the order
in which the event enters them, each with the number of moves into it. The receiver calls AWS by Relay's own client,
the other functions by botocore, as their tests do: moto answers nothing else.

A move is a call from a function of one such file straight to a function of another; a call that passes through the
standard library or a package in between is none. A generator counts once, however often it resumes. A first event
of another member is not counted: it makes the services, reads secrets and opens connections, as a new Lambda
environment does once.

The last line is `RESULT {json}`: the files of receiver, consumer and fanout together with those of `crm_sync` (to
HubSpot) or of `notifier` (to Slack), the moves in them, and the pairs of files between which there is a move.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any, Final
from unittest.mock import patch

import boto3
from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from fakes.slack import HOOK, FakeSlack
from moto import mock_aws
from relay.adapters.aws.boto import BotoAws
from relay.adapters.aws.client import use
from relay.topics import FOLDERS, queue_variable
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.moto_tables import make_table
from tests.support.port_fakes import ROOT, SHOP, FakeContext, sample

TOPIC: Final = "customer.payment_failed"
KEY: Final = "the-callback-key"
STAGES: Final = ("receiver", "consumer", "fanout", "crm_sync", "notifier")
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@cache
def counted(filename: str) -> str | None:
    """Return the file's path from the repository's root if it counts, otherwise None."""
    path = Path(filename)
    for folder in ("functions", "layers/shared/relay"):
        if path.is_relative_to(ROOT / folder):
            return path.relative_to(ROOT).as_posix()
    return None


@dataclass
class Trace:
    """The files that a stage entered, in order, and how often each other file called into them."""

    files: list[str] = field(default_factory=list)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    _seen: dict[int, FrameType] = field(default_factory=dict)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what runs in this thread."""
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            self._seen.clear()

    def _profile(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call" or not (entered := counted(frame.f_code.co_filename)):
            return
        if id(frame) in self._seen:
            return  # a generator that resumes
        self._seen[id(frame)] = frame
        caller = counted(frame.f_back.f_code.co_filename) if frame.f_back else None
        if entered not in self.files:
            self.files.append(entered)
        if caller and caller != entered:
            self.moves[caller, entered] += 1

    def moves_into(self, path: str) -> int:
        """Return how often other files called into this one."""
        return sum(number for (_, entered), number in self.moves.items() if entered == path)


@dataclass
class TracedRelay:
    """Relay in this process, and the fakes around it."""

    hubspot: FakeHubspot
    slack: FakeSlack
    received: list[dict[str, Any]]
    topic_queue: str
    queues: Mapping[str, str]

    def play(self, customer: str) -> dict[str, Trace]:
        """Play one event of this customer all the way; return the traces by stage."""
        traces = {stage: Trace() for stage in STAGES}
        body = payment_failed(customer)
        request = {"body": body, "headers": {}, "pathParameters": {"key": KEY}, "isBase64Encoded": False}
        with patch.dict(os.environ, {"AWS_ENDPOINT_URL": self.topic_queue}):
            answer = call("receiver", request, traces["receiver"])
        expect("the receiver's answer", answer["statusCode"], HTTPStatus.ACCEPTED)
        batch(FOLDERS[TOPIC], [lambda_record(self.received.pop())], traces["consumer"])
        items = boto3.client("dynamodb").scan(TableName="members")["Items"]
        [item] = [item for item in items if customer in str(item)]
        image = {"dynamodb": {"SequenceNumber": "1", "NewImage": item}}
        batch("fanout", [image], traces["fanout"])
        batch("crm_sync", self._take("changes"), traces["crm_sync"])
        batch("notifier", self._take("alerts"), traces["notifier"])
        return traces

    def _take(self, queue: str) -> list[dict[str, Any]]:
        found = boto3.client("sqs").receive_message(
            QueueUrl=self.queues[queue], MessageAttributeNames=["All"], MaxNumberOfMessages=10
        )
        for message in found["Messages"]:
            boto3.client("sqs").delete_message(
                QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"]
            )
        return [
            lambda_record({"MessageBody": message["Body"], **message}, receipt=message["ReceiptHandle"])
            for message in found["Messages"]
        ]


def payment_failed(customer: str) -> str:
    """Return the body of a delivery: the documented sample, now, of this customer."""
    content, now = sample(TOPIC), datetime.now(UTC).isoformat()
    content["payload"] |= {"customerId": customer, "createdAt": now, "updatedAt": now}
    content["payload"]["customer"] |= {"id": customer, "email": f"{customer}@example.com"}
    content["metadata"] |= {"triggerredAt": now, "shopDomain": SHOP}
    return json.dumps(content)


def lambda_record(message: Mapping[str, Any], receipt: str = "r") -> dict[str, Any]:
    """Return a message as Lambda hands it out."""
    return {
        "messageId": receipt[:20],
        "receiptHandle": receipt,
        "body": message["MessageBody"],
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(int(datetime.now(UTC).timestamp() * 1000)),
        },
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": "String"}
            for name, value in message.get("MessageAttributes", {}).items()
        },
    }


def call(function: str, event: Mapping[str, Any], trace: Trace) -> dict[str, Any]:
    """Call a function's handler; its log goes nowhere."""
    handler = importlib.import_module(f"functions.{function}.app").handler
    with redirect_stdout(io.StringIO()), trace.counting():
        answer: dict[str, Any] = handler(event, FakeContext())
    return answer


def batch(function: str, records: list[dict[str, Any]], trace: Trace) -> None:
    """Call a handler with a batch; every record of it must be done with."""
    expect(f"records for {function}", len(records), 1)
    expect(
        f"the answer of {function}", call(function, {"Records": records}, trace), {"batchItemFailures": []}
    )


def expect(what: str, found: object, wanted: object) -> None:
    """Stop where an event did not arrive: figures of a part of the way would mislead.

    Raises:
        SystemExit: it differs.

    """
    if found != wanted:
        raise SystemExit(f"{what}: {found} instead of {wanted}")


@contextmanager
def relay() -> Iterator[TracedRelay]:
    """Set up AWS in memory, the fakes, and the environment of all functions."""
    received: list[dict[str, Any]] = []

    async def take(request: Request) -> Response:
        received.append(await request.json())
        return JSONResponse({"MessageId": "1"})

    hubspot, slack = FakeHubspot(), FakeSlack()
    with ExitStack() as stack:
        topic_queue = stack.enter_context(serve(Starlette(routes=[Route("/", take, methods=["POST"])])))
        hubspot_url = stack.enter_context(serve(hubspot.app()))
        slack_url = stack.enter_context(serve(slack.app))
        stack.enter_context(patch.dict(os.environ, CREDENTIALS))
        os.environ.pop("AWS_ENDPOINT_URL", None)
        stack.enter_context(mock_aws())
        use(BotoAws())
        stack.callback(use, None)
        queues = {
            name: boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
            for name in ("source", "dead", "changes", "alerts")
        }
        sns = boto3.client("sns")
        changes, emails = (sns.create_topic(Name=name)["TopicArn"] for name in ("changes", "emails"))
        sns.subscribe(
            TopicArn=changes,
            Protocol="sqs",
            Endpoint="arn:aws:sqs:us-east-1:123456789012:changes",
            Attributes={"RawMessageDelivery": "true"},
        )
        for table in ("members", "mirrors", "incidents", "figures"):
            make_table(table)
        boto3.client("s3").create_bucket(Bucket="journal")
        boto3.client("firehose").create_delivery_stream(
            DeliveryStreamName="journal",
            S3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::123456789012:role/r",
                "BucketARN": "arn:aws:s3:::journal",
            },
        )
        secrets = {"hubspot": "a-service-key", "slack": f"{slack_url}{HOOK}"}
        for name, value in secrets.items():
            boto3.client("ssm").put_parameter(Name=f"/relay/{name}", Value=value, Type="SecureString")
        os.environ |= {
            "SHOP_DOMAIN": SHOP,
            "KEY_DIGESTS": sha256(KEY.encode()).hexdigest(),
            queue_variable(FOLDERS[TOPIC]): f"{topic_queue}/queue",
            "SOURCE_URL": queues["source"],
            "SOURCE_NAME": "source",
            "DEAD_LETTERS_URL": queues["dead"],
            "ALERTS_URL": queues["alerts"],
            "CHANGES_TOPIC": changes,
            "EMAIL_TOPIC": emails,
            "JOURNAL_STREAM": "journal",
            "MEMBERS_TABLE": "members",
            "MIRRORS_TABLE": "mirrors",
            "INCIDENTS_TABLE": "incidents",
            "KPIS_TABLE": "figures",
            "TIME_ZONE": "UTC",
            "TARGET": "hubspot",
            "HUBSPOT_URL": hubspot_url,
            "HUBSPOT_VERSION": "2026-09",
            "HUBSPOT_EVENTS": "false",
            "HUBSPOT_SECRET": "/relay/hubspot",
            "SLACK_SECRET": "/relay/slack",
            "SLACK_URL": f"{slack_url}/api",
        }
        yield TracedRelay(hubspot, slack, received, topic_queue, queues)


def result(traces: Mapping[str, Trace]) -> dict[str, int]:
    """Return the figures of both ways."""
    figures: dict[str, int] = {}
    for name, last in (("hubspot", "crm_sync"), ("slack", "notifier")):
        stages = [traces[stage] for stage in (*STAGES[:3], last)]
        moves = sum((trace.moves for trace in stages), Counter[tuple[str, str]]())
        figures |= {
            f"files_to_{name}": len({path for trace in stages for path in trace.files}),
            f"moves_to_{name}": moves.total(),
            f"pairs_to_{name}": len(moves),
        }
    return figures


def main() -> int:
    """Print the files by stage, then one line `RESULT {json}`."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    with relay() as traced:
        traced.play("7001")
        traces = traced.play("7002")
        expect("contacts in HubSpot", len(traced.hubspot.portal.contacts), 2)
        expect("messages in Slack", len(traced.slack.messages), 2)
    for stage in STAGES:
        trace = traces[stage]
        print(f"{stage}: {len(trace.files)} files, {trace.moves.total()} moves")
        for path in trace.files:
            print(f"  {trace.moves_into(path):4}  {path}")
    print("RESULT", json.dumps(result(traces)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
