"""What a deployment of a shop does to its stack's parameters, and what is lost by it; read before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stack_template import concurrency
from stack_template.crms import CRMS

from relay_cli.aws_access import aws_error
from relay_cli.deployment.changes import ParameterChange, parameter_changes, warnings
from relay_cli.errors import CliError, UsageError
from relay_cli.output import table
from relay_cli.stack import Stack

_DIGEST: Final = 64
_SHOWN: Final = 12
_ABSENT: Final = frozenset({None, "REVIEW_IN_PROGRESS"})
"""States of a stack that has no resources: there is none, or only a change set that was never executed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment changes, and what a person should know before."""

    stack: str
    is_new: bool
    changes: tuple[ParameterChange, ...]
    warnings: tuple[str, ...]
    kept: int
    advice: str | None = None

    def value(self) -> dict[str, Any]:
        """Return the plan for `--json`."""
        return {
            "stack": self.stack,
            "new": self.is_new,
            "changes": [{"parameter": one.name, "old": one.old, "new": one.new} for one in self.changes],
            "warnings": list(self.warnings),
        }

    def text(self) -> str:
        """Return the plan for the terminal."""
        rows = [(one.name, _shown(one.old), "→", _shown(one.new)) for one in self.changes]
        lines = [f"{self.stack} is {'a new stack' if self.is_new else 'deployed already'}."]
        lines.append(table(("parameter", "old", "", "new"), rows, empty="No parameter changes."))
        if not self.is_new:
            lines.append(f"{self.kept} parameters keep their value.")
        lines += [f"CAREFUL: {warning}" for warning in self.warnings]
        lines += [self.advice] if self.advice else []
        return "\n".join(lines)


def _shown(value: str | None) -> str:
    """Return a value for a table; of a list of digests the beginning of each."""
    if not value:
        return "-"
    return ",".join(one[:_SHOWN] + "…" if len(one) == _DIGEST else one for one in value.split(","))


def is_absent(stack: Stack) -> bool:
    """Return whether there is nothing to update yet."""
    return stack.state in _ABSENT


def deployed_parameters(stack: Stack) -> Mapping[str, str]:
    """Return the values with which a stack is deployed; none where there is nothing to update yet."""
    return {} if is_absent(stack) else stack.parameters


def make_plan(stack: Stack, wanted: Mapping[str, str], known: Mapping[str, Mapping[str, Any]]) -> Plan:
    """Return what deploying these values changes; `known` are the parameters of the template that is deployed.

    Raises:
        CliError: a new stack lacks a parameter that has no default.
        UsageError: a target lacks what it needs, which CloudFormation would refuse as well.

    """
    deployed = deployed_parameters(stack)
    missing = [
        name
        for name, rule in known.items()
        if "Default" not in rule and name not in deployed and not wanted.get(name)
    ]
    if missing:
        raise CliError(f"the shop's file lacks {', '.join(missing)}", "`relay init` asks for what is missing")
    if unmet := list(_unmet_needs({**_defaults(known), **deployed, **wanted})):
        raise UsageError("\n".join(unmet), "`relay init` asks for it, tests it and stores it")
    changes = parameter_changes(wanted, deployed, known)
    return Plan(
        stack=stack.name,
        # A stack that has only taken over the tables of an older one has no receiver yet.
        is_new="KeyDigests" not in deployed,
        changes=tuple(changes),
        warnings=tuple(warnings(changes, lambda target: waiting(stack, target))),
        kept=sum(name in known for name in deployed) - sum(change.old is not None for change in changes),
        advice=concurrency_advice(stack),
    )


def _defaults(known: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: str(rule["Default"]) for name, rule in known.items() if "Default" in rule}


def _unmet_needs(values: Mapping[str, str]) -> Iterator[str]:
    """Yield what the targets lack, in the words of the template's rules."""
    targets = values.get("Targets", "").split(",")
    for crm in (crm for crm in CRMS if crm.target in targets):
        for setting in crm.settings:
            name = f"{crm.name}{setting.name}"
            if setting.needed_as and not values.get(name):
                yield f"the target {crm.target} needs {name}, {setting.needed_as}"


def waiting(stack: Stack, target: str) -> int | None:
    """Return how many messages wait in a target's queue; None where there is no such queue."""
    from botocore.exceptions import ClientError

    sqs = stack.client("sqs")
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    ]
    try:
        url = sqs.get_queue_url(QueueName=f"{stack.name}-{target}")["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    except ClientError:
        return None
    return sum(int(found.get(name, 0)) for name in names)


def concurrency_advice(stack: Stack) -> str | None:
    """Return what to ask AWS for where the account runs too few functions at once; None where it runs enough."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        limit = stack.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    except (BotoCoreError, ClientError) as error:
        return f"The account's limit of concurrent executions could not be read: {aws_error(error).message}"
    return concurrency.advice(limit)
