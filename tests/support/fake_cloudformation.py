"""CloudFormation as `relay deploy` uses it: one stack, change sets, and refusals in AWS's words.

It is stricter than the local AWS where that is lax: a previous value needs a parameter that is deployed, and alarms that
roll back are kept and can ring (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html).
"""

# ruff: noqa: N803 - the arguments have the names of AWS
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from relay_cli.deployment.template import read_template

_NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)


def refusal(message: str, operation: str) -> ClientError:
    """Return AWS's refusal of a request."""
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, operation)


@dataclass
class FakeCloudFormation:
    """One account's CloudFormation. `templates` are the objects in S3 by URL; `rings` makes the next update roll back."""

    name: str
    state: str | None = None
    template: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    rings: bool = False
    fails: str = ""
    deleted: bool = False
    _pending: dict[str, Any] = field(default_factory=dict)

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        """Describe the stack."""
        if self.state is None:
            raise refusal(f"Stack with id {StackName} does not exist", "DescribeStacks")
        return {
            "Stacks": [
                {
                    "StackName": self.name,
                    "StackStatus": self.state,
                    "Parameters": [
                        {"ParameterKey": k, "ParameterValue": v} for k, v in self.parameters.items()
                    ],
                    "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()],
                }
            ]
        }

    def get_template(self, *, StackName: str, TemplateStage: str) -> dict[str, Any]:
        """Return the template as it was submitted."""
        assert (StackName, TemplateStage) == (self.name, "Original")
        return {"TemplateBody": self.template}

    def create_change_set(self, **request: Any) -> dict[str, Any]:
        """Make a change set."""
        self.requests.append(request)
        template = (
            self.template if request.get("UsePreviousTemplate") else self.templates[request["TemplateURL"]]
        )
        creates = request["ChangeSetType"] == "CREATE"
        if creates != (self.state in {None, "REVIEW_IN_PROGRESS"}):
            raise refusal("the stack is in another state", "CreateChangeSet")
        values = self._values(template, request["Parameters"])
        alarms = request["RollbackConfiguration"]["RollbackTriggers"]
        changed = (template, values) != (self.template, self.parameters)
        self._pending = {"template": template, "values": values, "alarms": alarms, "changed": changed}
        if creates:
            self.state = "REVIEW_IN_PROGRESS"
        return {"Id": "change-set"}

    def _values(self, template: str, given: list[Mapping[str, Any]]) -> dict[str, str]:
        known = read_template(template)["Parameters"]
        values: dict[str, str] = {}
        for one in given:
            name = one["ParameterKey"]
            if name not in known:
                raise refusal(f"Parameters: [{name}] do not exist in the template", "CreateChangeSet")
            if one.get("UsePreviousValue"):
                if name not in self.parameters:
                    raise refusal(f"Invalid input for parameter key {name}", "CreateChangeSet")
                values[name] = self.parameters[name]
            else:
                values[name] = one["ParameterValue"]
        for name, rule in known.items():
            if name not in values:
                if "Default" not in rule:
                    raise refusal(f"Parameters: [{name}] must have values", "CreateChangeSet")
                values[name] = str(rule["Default"])
        return values

    def describe_change_set(self, *, ChangeSetName: str, StackName: str) -> dict[str, Any]:
        """Describe it."""
        assert (ChangeSetName, StackName) == ("change-set", self.name)
        if not self._pending["changed"]:
            return {"Status": "FAILED", "StatusReason": _NO_CHANGES}
        change = {
            "Action": "Modify",
            "LogicalResourceId": "ReceiverFunction",
            "ResourceType": "AWS::Lambda::Function",
        }
        return {"Status": "CREATE_COMPLETE", "Changes": [{"Type": "Resource", "ResourceChange": change}]}

    def delete_change_set(self, **_: Any) -> None:
        """Delete it."""
        self._pending = {}

    def delete_stack(self, **_: Any) -> None:
        """Delete the stack: of one that was never created, nothing is left."""
        self.state, self.deleted = None, True

    def execute_change_set(self, **_: Any) -> None:
        """Bring it about, or fail and roll back."""
        creates = self.state == "REVIEW_IN_PROGRESS"
        if self.fails or (self.rings and self._pending["alarms"]):
            self.state = "ROLLBACK_COMPLETE" if creates else "UPDATE_ROLLBACK_COMPLETE"
            return
        self.template, self.parameters = self._pending["template"], self._pending["values"]
        self.state = "CREATE_COMPLETE" if creates else "UPDATE_COMPLETE"

    def get_paginator(self, operation: str) -> _Pages:
        """Return one of the two paginators."""
        return _Pages(self, operation)


@dataclass
class _Pages:
    of: FakeCloudFormation
    operation: str

    def paginate(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        if self.operation == "describe_change_set":
            yield self.of.describe_change_set(**arguments)
            return
        status = "UPDATE_FAILED" if self.of.fails else "UPDATE_COMPLETE"
        yield {
            "StackEvents": [
                {
                    "LogicalResourceId": "ReceiverFunction",
                    "ResourceType": "AWS::Lambda::Function",
                    "ResourceStatus": status,
                    "ResourceStatusReason": self.of.fails,
                    "Timestamp": datetime.now(UTC),
                }
            ]
        }
