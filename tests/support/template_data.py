"""template.yaml as data, for tests that read it as AWS would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from stack_template.expanded import expanded, source

TEMPLATE = source()
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


@cache
def deployed(region: str = "us-east-1") -> dict[str, dict[str, Any]]:
    """Return the resources that CloudFormation makes of the template in a region, after the SAM transform."""
    resources: dict[str, dict[str, Any]] = expanded(TEMPLATE, region)["Resources"]
    return resources


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in RESOURCES.items()
        if resource["Type"] == kind
    }


FUNCTIONS = of_type("AWS::Serverless::Function")
QUEUES = of_type("AWS::SQS::Queue")


def statements(role: str) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of a role's policies; both sides of a condition."""
    for policy in RESOURCES[role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            if "Fn::If" in statement:
                yield from (side for side in statement["Fn::If"][1:] if "Action" in side)
            else:
                yield statement


def allowed(role: str) -> set[tuple[str, str]]:
    """Return what a role may do, as (action, resource's short text)."""
    return {
        (action, text(resource))
        for statement in statements(role)
        for action in _list(statement["Action"])
        for listed in _list(statement["Resource"])
        for resource in (listed["Fn::If"][1:] if "Fn::If" in listed else [listed])
        if resource != {"Ref": "AWS::NoValue"}
    }


def text(value: Any) -> str:
    """Return a resource as one would write it: `Members.Arn` for an attribute, the name for a reference."""
    if isinstance(value, dict):
        [inner] = value.values()
        return text(inner)
    return ".".join(map(text, value)) if isinstance(value, list) else str(value)


def role_of(function: str) -> str:
    """Return the logical id of a function's role."""
    return text(FUNCTIONS[function]["Role"]).partition(".")[0]


def environment(function: str) -> dict[str, Any]:
    """Return a function's own environment variables."""
    variables: dict[str, Any] = FUNCTIONS[function]["Environment"]["Variables"]
    return variables


def timeout(function: str) -> int:
    """Return a function's timeout in seconds."""
    return int(FUNCTIONS[function].get("Timeout", TEMPLATE["Globals"]["Function"]["Timeout"]))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
