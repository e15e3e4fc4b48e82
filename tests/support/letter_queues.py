"""A stack with the queues of dead letters and of unclaimed webhooks, a journal and a members table, in the AWS of moto."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from relay.adapters.aws.boto import client
from relay.model.header import MessageHeader
from relay_cli.stack import Stack

from tests.support.moto_tables import make_table
from tests.support.port_fakes import SHOP

STACK = "relay-acme"


@dataclass(frozen=True)
class StackWithQueues(Stack):
    """A stack with the outputs that the commands read."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The queues, the journal and the members."""
        return {
            "UnclaimedUrl": queue_url("unclaimed"),
            "DeadLettersUrl": queue_url("dead-letters"),
            "JournalStream": "journal",
            "MembersTable": "members",
        }

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The shop."""
        return {"ShopDomain": SHOP}

    @classmethod
    def opened(cls, arguments: argparse.Namespace) -> Stack:
        """Return the stack that a command line names."""
        return cls(arguments.stack, cls.of(arguments).access)


def make_journal() -> None:
    """Make the members table and the journal."""
    make_table("members")
    client("s3").create_bucket(Bucket="journal")
    client("firehose").create_delivery_stream(
        DeliveryStreamName="journal",
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/journal",
            "BucketARN": "arn:aws:s3:::journal",
        },
    )


def queue_url(name: str) -> str:
    """Return the URL of one of the stack's queues, which is made where there is none."""
    return str(client("sqs").create_queue(QueueName=f"{STACK}-{name}")["QueueUrl"])


def put(name: str, body: str, header: MessageHeader) -> None:
    """Send a message to one of the stack's queues."""
    attributes = {
        attribute: {"DataType": "String", "StringValue": value}
        for attribute, value in header.attributes.items()
    }
    client("sqs").send_message(QueueUrl=queue_url(name), MessageBody=body, MessageAttributes=attributes)


def hold(name: str, count: int) -> None:
    """Hide messages of a queue, as another reader does that has received them."""
    found = client("sqs").receive_message(
        QueueUrl=queue_url(name), MaxNumberOfMessages=count, VisibilityTimeout=600
    )
    assert len(found["Messages"]) == count


def waiting(name: str) -> list[Any]:
    """Return what is visible in a queue."""
    found = client("sqs").receive_message(
        QueueUrl=queue_url(name), MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    )
    return list(found.get("Messages", ()))
