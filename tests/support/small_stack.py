"""A small stack in the tests' own AWS: by CloudFormation, with a resource of each kind that an operator's command looks at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relay.adapters.aws.boto import client
from relay_cli.stack import Stack

NAME = "relay-acme"
SHOP = "acme.myshopify.com"
BASE = "http://127.0.0.1:9/webhooks"
CALLBACK_KEY = "a-callback-key"
DIGEST = hashlib.sha256(CALLBACK_KEY.encode()).hexdigest()


@dataclass(frozen=True)
class MotoStack(Stack):
    """A stack whose clients are those of the tests."""

    def client(self, service: str) -> Any:
        """Return the tests' client."""
        return client(service)


def _queue(name: str) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{NAME}-{name}"}}


def _alarm(name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": f"{NAME}-{name}",
            "Namespace": "Relay",
            "MetricName": name,
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
        },
    }


def _table(key: str, **policy: str) -> dict[str, Any]:
    return {
        "Type": "AWS::DynamoDB::Table",
        **policy,
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        },
    }


RESOURCES: Mapping[str, Any] = {
    "CancelledQueue": _queue("cancelled"),
    "Unclaimed": _queue("unclaimed"),
    "DeadLetters": _queue("dead-letters"),
    "Refused": _alarm("refused"),
    "Clock": _alarm("clock"),
    "Members": _table("pk", DeletionPolicy="Retain"),
    "Incidents": _table("key"),
    "JournalBucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
    "Email": {"Type": "AWS::SNS::Topic"},
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "relay-acme-logs"}},
}

OUTPUTS: Mapping[str, Any] = {
    "CallbackBaseUrl": BASE,
    "MembersTable": {"Ref": "Members"},
    "IncidentsTable": {"Ref": "Incidents"},
    "EmailTopic": {"Ref": "Email"},
    "LogGroup": {"Ref": "Logs"},
    "DeadLettersUrl": {"Ref": "DeadLetters"},
    "UnclaimedUrl": {"Ref": "Unclaimed"},
}

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


def deploy(**parameters: str) -> MotoStack:
    """Deploy the stack with these parameters and return it."""
    given = {**DEFAULTS, **parameters}
    template = {
        "Parameters": {name: {"Type": "String"} for name in given},
        "Resources": RESOURCES,
        "Outputs": {name: {"Value": value} for name, value in OUTPUTS.items()},
    }
    client("cloudformation").create_stack(
        StackName=NAME,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
    )
    return MotoStack(NAME)


def put_secret(name: str, value: str) -> str:
    """Store a secret and return its name."""
    client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")
    return name
