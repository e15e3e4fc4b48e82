"""What a stack consists of, as CloudFormation lists it: its queues, functions, alarms, tables and its bucket.

A name that begins with the stack's may belong to another stack (`relay-acme` and `relay-acme-test`), so nothing is found
by a prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from relay_cli.stack import Stack

QUEUE: Final = "AWS::SQS::Queue"
FUNCTION: Final = "AWS::Lambda::Function"
ALARM: Final = "AWS::CloudWatch::Alarm"
TABLE: Final = "AWS::DynamoDB::Table"
BUCKET: Final = "AWS::S3::Bucket"

_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its type, its name in the template, and AWS's own name or URL for it."""

    kind: str
    logical_id: str
    physical_id: str


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The messages of one queue, approximately. `delayed` are deferred, `in_flight` are being worked on."""

    name: str
    url: str
    waiting: int
    delayed: int
    in_flight: int

    @property
    def total(self) -> int:
        """All messages of the queue."""
        return self.waiting + self.delayed + self.in_flight


def resources_of(stack: Stack) -> Sequence[Resource]:
    """Return the resources that the stack has now."""
    pages = (
        stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack.name)
    )
    return [
        Resource(one["ResourceType"], one["LogicalResourceId"], one.get("PhysicalResourceId", ""))
        for page in pages
        for one in page["StackResourceSummaries"]
        if one.get("PhysicalResourceId") and one.get("ResourceStatus") != "DELETE_COMPLETE"
    ]


def names_of(resources: Sequence[Resource], kind: str) -> Sequence[str]:
    """Return the physical ids of one type."""
    return [one.physical_id for one in resources if one.kind == kind]


def queue_depths(stack: Stack, urls: Sequence[str]) -> Iterator[QueueDepth]:
    """Yield the depth of each queue; its name is without the stack's."""
    sqs = stack.client("sqs")
    for url in urls:
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
        waiting, delayed, in_flight = (int(found.get(name, 0)) for name in _COUNTS)
        name = url.rpartition("/")[2].removeprefix(f"{stack.name}-")
        yield QueueDepth(name=name, url=url, waiting=waiting, delayed=delayed, in_flight=in_flight)
