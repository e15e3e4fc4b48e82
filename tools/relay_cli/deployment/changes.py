"""What a deployment changes: each parameter old and new, and in words what is lost by it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """One parameter that gets another value. `old` is None where the stack is new or has no such parameter yet."""

    name: str
    old: str | None
    new: str


def parameter_changes(
    wanted: Mapping[str, str], deployed: Mapping[str, str], known: Mapping[str, Mapping[str, Any]]
) -> list[ParameterChange]:
    """Return the parameters whose value changes, in the template's order.

    What is not wanted keeps its value; on a new stack it gets the template's default.
    """
    changes = []
    for name, rule in known.items():
        old = deployed.get(name)
        present = old if old is not None else rule.get("Default")
        if name in wanted and (present is None or wanted[name] != str(present)):
            changes.append(ParameterChange(name, old, wanted[name]))
    return changes


def request_parameters(
    changes: Sequence[ParameterChange], deployed: Mapping[str, str], known: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the parameters of a change set: what changes by value, all else as it is deployed."""
    changed = {change.name: change.new for change in changes}
    parameters: list[dict[str, Any]] = []
    for name in known:
        if name in changed:
            parameters.append({"ParameterKey": name, "ParameterValue": changed[name]})
        elif name in deployed:
            parameters.append({"ParameterKey": name, "UsePreviousValue": True})
    return parameters


_EMPTIED: Final = {
    "AlertEmail": "no e-mail is sent any more, also none about a failing notifier",
    "SlackSecret": "nothing is posted to Slack any more; threads of open incidents end",
    "PagerDutySecret": "critical incidents page no longer",
    "InveterateSecret": "members are no longer looked up: contradictions stay, and no gap is repaired",
    "TokenDigests": "webhooks are accepted without their token",
}
"""By parameter, what ends when its value is taken away."""


def warnings(changes: Sequence[ParameterChange], waiting: Callable[[str], int | None]) -> Iterator[str]:
    """Yield in words what these changes delete or end; `waiting` counts the messages in a target's queue."""
    for change in changes:
        if change.old is None:
            continue
        if change.name == "Targets":
            yield from _target_warnings(change, waiting)
        elif change.name in _EMPTIED and change.old and not change.new:
            yield f"{change.name} is taken away: {_EMPTIED[change.name]}"
        elif change.name == "ShopDomain":
            yield (
                "ShopDomain changes: every member gets a new key, so all records begin anew; "
                "docs/operations.md has the way for a renamed shop"
            )
        elif change.name == "KeyDigests":
            yield from _key_warnings(change)
        elif (
            change.name == "JournalDays" and change.new.isdecimal() and int(change.new) < int(change.old or 0)
        ):
            yield f"the journal's lines of more than {change.new} days are deleted"


def _target_warnings(change: ParameterChange, waiting: Callable[[str], int | None]) -> Iterator[str]:
    gone = set(filter(None, (change.old or "").split(","))) - set(change.new.split(","))
    for target in sorted(gone):
        count = waiting(target)
        messages = "" if not count else f" with {count} waiting {'message' if count == 1 else 'messages'}"
        yield (
            f"{target} is no target any more: its queue{messages} and its function are deleted; "
            f"its contacts keep what they hold (`relay mirror remove {target}` clears them before)"
        )


def _key_warnings(change: ParameterChange) -> Iterator[str]:
    gone = set((change.old or "").split(",")) - set(change.new.split(","))
    if gone:
        yield (
            f"{len(gone)} callback key{'s are' if len(gone) > 1 else ' is'} no longer accepted: webhooks that "
            "Inveterate still posts with it are refused (`relay keys rotate` moves the subscriptions first)"
        )


DATA: Final = frozenset({"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SSM::Parameter"})
"""Types of resources that hold what cannot be made anew."""


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource of a change set, in CloudFormation's words.

    `replacement` is `True` where a new resource takes its place, and `Conditional` where CloudFormation knows that only when
    it gets there; `properties` are those that change.
    """

    action: str
    logical_id: str
    kind: str
    replacement: str = "False"
    properties: tuple[str, ...] = ()

    @classmethod
    def of(cls, change: Mapping[str, Any]) -> ResourceChange:
        """Return the change that an entry of a change set describes."""
        about = change["ResourceChange"]
        return cls(
            action=about["Action"],
            logical_id=about["LogicalResourceId"],
            kind=about["ResourceType"],
            replacement=about.get("Replacement", "False"),
            properties=tuple(dict.fromkeys(_properties(about))),
        )


def _properties(about: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the properties that a change set says to change."""
    for detail in about.get("Details", ()):
        target = detail.get("Target", {})
        if name := target.get("Name") or target.get("Attribute"):
            yield str(name)


def data_warnings(changes: Sequence[ResourceChange]) -> Iterator[str]:
    """Yield in words which resources with data are deleted or replaced."""
    for change in changes:
        if change.kind not in DATA:
            continue
        what = f"{change.logical_id} ({change.kind.removeprefix('AWS::')})"
        if change.action == "Remove":
            yield f"{what} leaves the stack"
        elif change.action == "Modify" and change.replacement == "True":
            yield f"{what} is replaced by a new, empty one"
        elif change.action == "Modify" and change.replacement == "Conditional":
            yield (
                f"{what} may be replaced by a new, empty one: CloudFormation decides that only when it changes "
                f"{', '.join(change.properties) or 'it'}"
            )


def summary(changes: Sequence[ResourceChange]) -> str:
    """Return how many resources are added, changed and removed."""
    counts = {
        action: sum(change.action == action for change in changes) for action in ("Add", "Modify", "Remove")
    }
    words = {"Add": "added", "Modify": "changed", "Remove": "removed"}
    named = [f"{count} {words[action]}" for action, count in counts.items() if count]
    return f"resources: {', '.join(named) or 'none change'}"
