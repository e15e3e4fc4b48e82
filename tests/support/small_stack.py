"""A small stack in the tests' own AWS, with a resource of each kind that an operator's command looks at.

moto's CloudFormation needs packages that nothing else needs, so a small fake lists, describes and deletes the stack; the
resources themselves are moto's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from relay.adapters.aws.boto import client
from relay_cli.resources import ALARM, BUCKET, QUEUE, TABLE
from relay_cli.stack import Stack

from tests.support.moto_tables import make_table

NAME = "relay-acme"
SHOP = "acme.myshopify.com"
BASE = "http://127.0.0.1:9/webhooks"
CALLBACK_KEY = "callback-key"
"""As the simulator's client subscribes it."""

DIGEST = hashlib.sha256(CALLBACK_KEY.encode()).hexdigest()
LOGS = "relay-acme-logs"

DEFAULTS: Mapping[str, str] = {
    "ShopDomain": SHOP,
    "KeyDigests": DIGEST,
    "Targets": "",
    "Runtime": "python3.13",
    "AlertEmail": "",
    "InveterateUrl": "http://127.0.0.1:9",
    "InveterateSecret": "",
    "SlackSecret": "",
    "SlackChannel": "",
    "SlackUrl": "http://127.0.0.1:9/api",
    "PagerDutySecret": "",
}


@dataclass
class FakeStack:
    """One stack: its state, parameters, outputs and resources, and what deletes each resource."""

    name: str
    parameters: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    resources: list[tuple[str, str, str]] = field(default_factory=list)
    deletions: list[Callable[[], object]] = field(default_factory=list)
    state: str = "CREATE_COMPLETE"
    in_the_way: str = ""

    @property
    def id(self) -> str:
        """The stack's ARN, by which it is found after its deletion."""
        return f"arn:aws:cloudformation:us-east-1:123456789012:stack/{self.name}/1"

    @property
    def description(self) -> dict[str, Any]:
        """As DescribeStacks has it."""
        return {
            "StackName": self.name,
            "StackId": self.id,
            "StackStatus": self.state,
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()
            ],
            "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in self.outputs.items()],
        }


@dataclass
class FakeCloudFormation:
    """CloudFormation as the commands call it: a deleted stack is found by its id alone."""

    stacks: dict[str, FakeStack] = field(default_factory=dict)

    def _found(self, name: str) -> FakeStack:
        for stack in self.stacks.values():
            if name == stack.id or (name == stack.name and stack.state != "DELETE_COMPLETE"):
                return stack
        message = f"Stack with id {name} does not exist"
        raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS' name
        """Return one stack."""
        return {"Stacks": [self._found(StackName).description]}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS' name
        """Return the event of the resource that is in the way, newest first, after that of the stack."""
        stack = self._found(StackName)
        events = [(stack.name, stack.id, "one resource failed"), ("Mirrors", "mirrors", stack.in_the_way)]
        return {
            "StackEvents": [
                {
                    "LogicalResourceId": logical,
                    "PhysicalResourceId": physical,
                    "ResourceStatus": "DELETE_FAILED",
                    "ResourceStatusReason": reason,
                }
                for logical, physical, reason in events
            ]
        }

    def delete_stack(self, StackName: str) -> None:  # noqa: N803 - AWS' name
        """Delete what the stack does not retain."""
        stack = self._found(StackName)
        if stack.in_the_way:
            stack.state = "DELETE_FAILED"
            return
        for delete in stack.deletions:
            delete()
        stack.state = "DELETE_COMPLETE"

    def get_paginator(self, operation: str) -> FakePages:
        """Return the pages of `list_stack_resources` or `describe_stacks`."""
        return FakePages(self, operation)


@dataclass
class FakePages:
    """The pages of one operation, two entries each."""

    owner: FakeCloudFormation
    operation: str

    def paginate(self, StackName: str = "") -> Iterator[dict[str, Any]]:  # noqa: N803 - AWS' name
        """Yield the pages."""
        if self.operation == "describe_stacks":
            for stack in self.owner.stacks.values():
                if stack.state != "DELETE_COMPLETE":
                    yield {"Stacks": [stack.description]}
            return
        entries = [
            {"ResourceType": kind, "LogicalResourceId": logical, "PhysicalResourceId": physical}
            for kind, logical, physical in self.owner._found(StackName).resources
        ]
        for begin in range(0, len(entries), 2):
            yield {"StackResourceSummaries": entries[begin : begin + 2]}


@dataclass(frozen=True)
class MotoStack(Stack):
    """A stack whose clients are those of the tests, but for CloudFormation and those that a test gives."""

    clients: Mapping[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return the tests' client."""
        return self.clients[service] if service in self.clients else client(service)


def deploy(cloudformation: FakeCloudFormation, name: str = NAME, **parameters: str) -> MotoStack:
    """Make the resources of a stack with these parameters, and return the stack."""
    stack = FakeStack(name, {**DEFAULTS, **parameters})
    for queue in ("cancelled", "unclaimed", "dead-letters"):
        url = client("sqs").create_queue(QueueName=f"{name}-{queue}")["QueueUrl"]
        stack.resources.append((QUEUE, queue, url))
        stack.deletions.append(partial(client("sqs").delete_queue, QueueUrl=url))
    for alarm in ("refused", "clock"):
        client("cloudwatch").put_metric_alarm(
            AlarmName=f"{name}-{alarm}",
            Namespace="Relay",
            MetricName=alarm,
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )
        stack.resources.append((ALARM, alarm, f"{name}-{alarm}"))
    for table in ("members", "incidents"):
        stack.resources.append((TABLE, table.capitalize(), make_table(table, f"{name}-{table}")))
    stack.deletions.append(lambda: client("dynamodb").delete_table(TableName=f"{name}-incidents"))
    client("s3").create_bucket(Bucket=f"{name}-journal")
    stack.resources.append((BUCKET, "JournalBucket", f"{name}-journal"))
    client("logs").create_log_group(logGroupName=LOGS)
    topic = client("sns").create_topic(Name=f"{name}-email")["TopicArn"]
    stack.outputs = {
        "CallbackBaseUrl": BASE,
        "MembersTable": f"{name}-members",
        "IncidentsTable": f"{name}-incidents",
        "EmailTopic": topic,
        "LogGroup": LOGS,
        "DeadLettersUrl": client("sqs").get_queue_url(QueueName=f"{name}-dead-letters")["QueueUrl"],
    }
    cloudformation.stacks[name] = stack
    return MotoStack(name, clients={"cloudformation": cloudformation})


def put_secret(name: str, value: str) -> str:
    """Store a secret and return its name."""
    client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")
    return name


def log_line(at_ms: int, **line: object) -> None:
    """Write a line into the stack's log."""
    stream = "one"
    try:
        client("logs").create_log_stream(logGroupName=LOGS, logStreamName=stream)
    except client("logs").exceptions.ResourceAlreadyExistsException:
        pass
    client("logs").put_log_events(
        logGroupName=LOGS,
        logStreamName=stream,
        logEvents=[{"timestamp": at_ms, "message": json.dumps(line)}],
    )
