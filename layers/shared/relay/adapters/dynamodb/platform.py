"""Stores what is remembered about the whole platform: one small document by name, `platform#{name}` in Mirrors.

document    JSON
version     how often it was written
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.attributes import Attribute, count_of, text
from relay.adapters.dynamodb.versioned import put_version
from relay.errors import TransientError

if TYPE_CHECKING:
    from relay.ports.full_run import FullRun
    from relay.ports.recovery import Recovery
    from relay.ports.subscriptions import SubscriptionState

_TABLE: Final = "table mirrors"

_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class _Document:
    table: str
    name: str
    aws: AwsCaller

    def read(self) -> tuple[str, int]:
        """Return the JSON and the version; empty and 0 where there is none."""
        request = {"TableName": self.table, "Key": self._key, "ConsistentRead": True}
        with aws_errors(_TABLE):
            item = self.aws.call("dynamodb", "GetItem", request).get("Item")
        return (item["document"]["S"], count_of(item, "version")) if item else ("", 0)

    def write(self, document: str, version: int) -> None:
        """Write over the version that was read."""
        item = {**self._key, "document": text(document)}
        put_version(self.aws, self.table, item, read=version, what=_TABLE)

    @property
    def _key(self) -> dict[str, Attribute]:
        return {"key": text(keys.platform(self.name))}


@dataclass(frozen=True, slots=True)
class DynamoFullRuns:
    """`ports.full_run.FullRunStore`."""

    table: str
    aws: AwsCaller = field(default_factory=aws)

    def load(self) -> FullRun | None:
        """Return the run as of the latest write."""
        from relay.ports.full_run import FullRun

        document, version = _Document(self.table, "full_run", self.aws).read()
        return replace(_read(FullRun, document), version=version) if document else None

    def save(self, run: FullRun) -> FullRun:
        """Write it over the version that was read."""
        document = TypeAdapter(type(run)).dump_json(run).decode()
        _Document(self.table, "full_run", self.aws).write(document, run.version)
        return replace(run, version=run.version + 1)


@dataclass(frozen=True, slots=True)
class DynamoRecoveries:
    """`ports.recovery.RecoveryStore`."""

    table: str
    aws: AwsCaller = field(default_factory=aws)

    def load(self) -> Recovery | None:
        """Return the recovery as of the latest write."""
        from relay.ports.recovery import Recovery

        document, version = _Document(self.table, "recovery", self.aws).read()
        return replace(_read(Recovery, document), version=version) if document else None

    def save(self, recovery: Recovery) -> Recovery:
        """Write it over the version that was read."""
        document = TypeAdapter(type(recovery)).dump_json(recovery).decode()
        _Document(self.table, "recovery", self.aws).write(document, recovery.version)
        return replace(recovery, version=recovery.version + 1)


@dataclass(frozen=True, slots=True)
class DynamoSubscriptionStates:
    """`ports.subscriptions.SubscriptionStore`."""

    table: str
    aws: AwsCaller = field(default_factory=aws)

    def load(self) -> SubscriptionState:
        """Return what is known, as of the latest write."""
        from relay.ports.subscriptions import SubscriptionState

        document, version = _Document(self.table, "subscriptions", self.aws).read()
        return (
            replace(_read(SubscriptionState, document), version=version) if document else SubscriptionState()
        )

    def save(self, state: SubscriptionState) -> None:
        """Write it over the version that was read."""
        document = TypeAdapter(type(state)).dump_json(state).decode()
        _Document(self.table, "subscriptions", self.aws).write(document, state.version)


def _read(kind: type[_Kept], document: str) -> _Kept:
    try:
        kept: _Kept = TypeAdapter(kind).validate_json(document)
    except ValidationError:
        raise TransientError(f"{_TABLE}: a document of newer code cannot be read") from None
    return kept
