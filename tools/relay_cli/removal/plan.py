"""What an uninstallation takes away, what stays, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from relay_cli.aws_access import error_code
from relay_cli.callback_key import parameter_name
from relay_cli.checks.account import secret_names
from relay_cli.output import counted
from relay_cli.resources import BUCKET, TABLE, Resource
from relay_cli.stack import Stack

OUTLIVES: Final = ("Members", "Grants", "JournalBucket")
"""By name in the template: what a deleted stack leaves (DeletionPolicy)."""

_GB: Final = 1024**3
_TABLE_GB: Final = 0.25 + 0.20
"""Dollars a month in us-east-1, in November 2026: storage, and point-in-time recovery."""

_BUCKET_GB: Final = 0.023


@dataclass(frozen=True, slots=True)
class Kept:
    """A table or a bucket that outlives its stack. `size` is in bytes; None where AWS has not measured it."""

    kind: str
    logical_id: str
    name: str
    size: int | None

    @property
    def dollars(self) -> float | None:
        """What it costs a month at most: the free tier is left out."""
        if self.size is None:
            return None
        return self.size / _GB * (_TABLE_GB if self.kind == TABLE else _BUCKET_GB)

    def row(self) -> tuple[str, str, str]:
        """Return it as a row of a table: what it is, its name, and its size with its price."""
        if self.size is None or self.dollars is None:
            return self.what, self.name, f"size not measured, ${_BUCKET_GB} a GB and month"
        return self.what, self.name, f"{_size_text(self.size)}, at most ${self.dollars:.2f} a month"

    @property
    def what(self) -> str:
        """The kind in a word."""
        return "table" if self.kind == TABLE else "bucket"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription to delete."""

    id: str
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallPlan:
    """Everything that an uninstallation concerns."""

    stack: str
    state: str
    url: str
    subscriptions: Sequence[Subscription] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    kept: Sequence[Kept] = ()
    secrets: Sequence[str] = ()
    shared_secrets: Sequence[str] = ()
    targets: Sequence[str] = ()

    def text(self, *, everything: bool) -> str:
        """Return the plan for the terminal: what is lost, what goes, what stays and costs, and what ends."""
        return "\n".join(
            [
                *self._warnings(),
                *_titled("Deleted, in this order", self._deleted(everything=everything)),
                *_titled("Stays", self._kept(everything=everything)),
                *self._notes(everything=everything),
            ]
        )

    def _warnings(self) -> Iterator[str]:
        if self.waiting:
            queues = ", ".join(f"{count:,} in {name}" for name, count in sorted(self.waiting.items()))
            yield f"CAREFUL: messages wait and are lost with their queues: {queues}."

    def _deleted(self, *, everything: bool) -> Iterator[tuple[str, str, str]]:
        """Yield rows, the subscriptions first: Inveterate would otherwise go on posting to a dead URL."""
        if self.subscriptions:
            yield "webhooks", counted(len(self.subscriptions), "subscription"), ""
        yield "stack", self.stack, f"{self.state}, with its queues, log, alarms and incidents"
        if everything:
            yield from (one.row() for one in self.kept)
            yield from (("secret", name, "") for name in self.secrets)

    def _kept(self, *, everything: bool) -> Iterator[tuple[str, str, str]]:
        if not everything:
            yield from (one.row() for one in self.kept)
            yield from (("secret", name, "") for name in self.secrets)
        yield from (("secret", name, "another stack uses it") for name in self.shared_secrets)
        yield "bucket", "of uploaded code", "aws-sam-cli-managed-default, or the one given"

    def _notes(self, *, everything: bool) -> Iterator[str]:
        if self.url:
            yield f"The URL {self.url}/… ends for good: a new stack has another one."
        for target in self.targets:
            yield (
                f"The fields in {target} stay as they are; `relay mirror remove {target} --clear` clears them, before this."
            )
        if not everything:
            yield (
                "`--everything` deletes tables, bucket and secrets as well, now and not later: a deleted stack names them no more. "
                "They hold personal data."
            )

    def value(self) -> dict[str, Any]:
        """Return the plan for `--json`. The URL is without its key."""
        return {
            "stack": self.stack,
            "state": self.state,
            "url": self.url,
            "subscriptions": [one.topic for one in self.subscriptions],
            "waiting": dict(self.waiting),
            "kept": [
                {"kind": one.kind, "name": one.name, "bytes": one.size, "dollars_a_month": one.dollars}
                for one in self.kept
            ],
            "secrets": list(self.secrets),
            "shared_secrets": list(self.shared_secrets),
            "targets": list(self.targets),
        }


def _titled(title: str, rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Yield a title and its rows, aligned; nothing without rows."""
    found = list(rows)
    if not found:
        return
    widths = [max(len(row[place]) for row in found) for place in (0, 1)]
    yield f"{title}:"
    for what, name, about in found:
        yield f"  {what:<{widths[0]}}  {name:<{widths[1]}}  {about}".rstrip()


def _size_text(size: int) -> str:
    for unit, bytes_of in (("GB", _GB), ("MB", 1024**2), ("kB", 1024)):
        if size >= bytes_of:
            return f"{size / bytes_of:.1f} {unit}"
    return f"{size} bytes"


def kept_of(stack: Stack, resources: Iterable[Resource]) -> list[Kept]:
    """Return what outlives the stack, with its size."""
    return [
        Kept(one.kind, one.logical_id, one.physical_id, _size_of(stack, one))
        for one in resources
        if one.logical_id in OUTLIVES and one.kind in {TABLE, BUCKET}
    ]


def _size_of(stack: Stack, one: Resource) -> int | None:
    if one.kind == TABLE:
        return int(
            stack.client("dynamodb")
            .describe_table(TableName=one.physical_id)["Table"]
            .get("TableSizeBytes", 0)
        )
    now = datetime.now(UTC)
    reply = stack.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/S3",
        MetricName="BucketSizeBytes",
        Dimensions=[
            {"Name": "BucketName", "Value": one.physical_id},
            {"Name": "StorageType", "Value": "StandardStorage"},
        ],
        # S3 measures once a day, some hours late.
        StartTime=now - timedelta(days=3),
        EndTime=now,
        Period=86_400,
        Statistics=["Average"],
    )
    points = sorted(reply.get("Datapoints", ()), key=lambda point: point["Timestamp"])
    return int(points[-1]["Average"]) if points else None


def secrets_of(stack: Stack, parameters: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the SSM parameters of this stack that exist, and those of them that another stack names as well."""
    wanted = [*dict.fromkeys([*secret_names(parameters).values(), parameter_name(stack.name)])]
    existing = [name for name in wanted if _exists(stack, name)]
    others = _named_by_others(stack)
    return [name for name in existing if name not in others], [name for name in existing if name in others]


def _exists(stack: Stack, name: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        stack.client("ssm").get_parameter(Name=name)
    except ClientError as error:
        if error_code(error) == "ParameterNotFound":
            return False
        raise
    return True


def _named_by_others(stack: Stack) -> set[str]:
    pages = stack.client("cloudformation").get_paginator("describe_stacks").paginate()
    return {
        value
        for page in pages
        for other in page["Stacks"]
        if other["StackName"] != stack.name
        for value in secret_names(
            {one["ParameterKey"]: one.get("ParameterValue", "") for one in other.get("Parameters", ())}
        ).values()
    }
