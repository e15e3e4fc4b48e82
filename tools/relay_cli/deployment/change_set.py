"""Makes, shows and executes a change set of a stack, and says why one failed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from relay_cli.deployment.changes import ResourceChange
from relay_cli.deployment.package import Package
from relay_cli.errors import CliError
from relay_cli.output import Progress
from relay_cli.stack import Stack

CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
_NO_CHANGES: Final = ("didn't contain changes", "No updates are to be performed")
_DONE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_LONGEST: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set that waits for its execution. `creates` says that the stack is new."""

    stack: Stack
    arn: str
    creates: bool
    changes: tuple[ResourceChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The alarms that roll an update back, and for how many minutes after it CloudFormation looks at them."""

    alarms: tuple[str, ...] = ()
    minutes: int = 0

    @property
    def configuration(self) -> dict[str, Any]:
        """The change set's `RollbackConfiguration`."""
        triggers = [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in self.alarms]
        return {"RollbackTriggers": triggers, "MonitoringTimeInMinutes": self.minutes if triggers else 0}


def alarms_to_watch(stack: Stack, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ARNs of those alarms that exist and are quiet, and the names of those that are in ALARM already.

    An alarm that is on before the update would roll back the very update that mends its cause.
    """
    physical = [f"{stack.name}-{name}" for name in names]
    found = stack.client("cloudwatch").describe_alarms(AlarmNames=physical)["MetricAlarms"]
    on = tuple(one["AlarmName"] for one in found if one["StateValue"] == "ALARM")
    return tuple(one["AlarmArn"] for one in found if one["AlarmName"] not in on), on


def make(
    stack: Stack,
    package: Package | None,
    parameters: Sequence[Mapping[str, Any]],
    watch: Watch,
    *,
    seconds_between_looks: float = 2.0,
) -> ChangeSet | None:
    """Make a change set; None where it would change nothing. Without a package the deployed template stays.

    Raises:
        CliError: CloudFormation refuses it.

    """
    creates = stack.state in {None, "REVIEW_IN_PROGRESS"}
    cloudformation = stack.client("cloudformation")
    made = cloudformation.create_change_set(
        StackName=stack.name,
        ChangeSetName=f"relay-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}",
        ChangeSetType="CREATE" if creates else "UPDATE",
        **({"TemplateURL": package.url} if package else {"UsePreviousTemplate": True}),
        Parameters=list(parameters),
        Capabilities=list(CAPABILITIES),
        RollbackConfiguration=Watch().configuration if creates else watch.configuration,
        Description="relay deploy",
    )
    arn = made["Id"]
    while True:
        found = cloudformation.describe_change_set(ChangeSetName=arn, StackName=stack.name)
        if found["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
            break
        time.sleep(seconds_between_looks)
    if found["Status"] == "FAILED":
        reason = str(found.get("StatusReason", ""))
        discard(ChangeSet(stack, arn, creates, ()))
        if any(words in reason for words in _NO_CHANGES):
            return None
        raise CliError(f"CloudFormation refuses the change: {reason}", "nothing was changed")
    return ChangeSet(stack, arn, creates, tuple(_changes(stack, arn)))


def _changes(stack: Stack, arn: str) -> Iterator[ResourceChange]:
    pages = stack.client("cloudformation").get_paginator("describe_change_set")
    for page in pages.paginate(ChangeSetName=arn, StackName=stack.name):
        for change in page.get("Changes", ()):
            if change.get("Type") == "Resource":
                yield ResourceChange.of(change)


def discard(change_set: ChangeSet) -> None:
    """Delete a change set that is not executed; of a new stack nothing is left then."""
    cloudformation = change_set.stack.client("cloudformation")
    cloudformation.delete_change_set(ChangeSetName=change_set.arn, StackName=change_set.stack.name)
    if change_set.creates:
        cloudformation.delete_stack(StackName=change_set.stack.name)


def execute(change_set: ChangeSet, report: Progress, *, seconds_between_looks: float = 3.0) -> Stack:
    """Execute a change set and wait for its end; return the stack as it is then.

    Raises:
        CliError: it failed and was rolled back: the text names the first resource that failed, and why.

    """
    stack = change_set.stack
    began = datetime.now(UTC)
    cloudformation = stack.client("cloudformation")
    cloudformation.execute_change_set(ChangeSetName=change_set.arn, StackName=stack.name)
    until = time.monotonic() + _LONGEST
    while time.monotonic() < until:
        fresh = Stack(stack.name, stack.access)
        state = fresh.state or ""
        # Clean-up and resources of which only tags change have events too.
        total = len(change_set.changes)
        report(min(_finished(stack, began), total), total, state.lower().replace("_", " "))
        if state in _DONE:
            return fresh
        if not state or state.endswith(("_FAILED", "ROLLBACK_COMPLETE")):
            raise CliError(
                f"the stack {stack.name} was not changed: {_first_failure(stack, began)} ({state})",
                "the version before is in force"
                if not change_set.creates
                else "delete the stack and try again",
            )
        time.sleep(seconds_between_looks)
    raise CliError(f"the stack {stack.name} is still being changed after an hour", "look at its events")


def _events(stack: Stack, since: datetime) -> Iterator[Mapping[str, Any]]:
    """Yield the stack's events since a time, the latest first."""
    pages = stack.client("cloudformation").get_paginator("describe_stack_events")
    for page in pages.paginate(StackName=stack.name):
        for event in page["StackEvents"]:
            at = event["Timestamp"]
            if (at if at.tzinfo else at.replace(tzinfo=UTC)) < since.replace(microsecond=0):
                return
            yield event


def _finished(stack: Stack, since: datetime) -> int:
    done = {
        event["LogicalResourceId"]
        for event in _events(stack, since)
        if event["ResourceStatus"].endswith("_COMPLETE")
        and event["ResourceType"] != "AWS::CloudFormation::Stack"
    }
    return len(done)


def _first_failure(stack: Stack, since: datetime) -> str:
    """Return the first failure: those after it are consequences."""
    reason = "CloudFormation names no reason"
    for event in _events(stack, since):
        if event["ResourceStatus"].endswith("_FAILED"):
            reason = f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
    return reason
