"""The port of the full run: what is stored of it, so that any invocation continues it at any page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol, TypeAlias

RunKind: TypeAlias = Literal["import", "reconcile"]
RunReason: TypeAlias = Literal["command", "daily", "waiting"]
RunPhase: TypeAlias = Literal["listing", "absent", "finished"]
StopReason: TypeAlias = Literal["", "few", "changes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far the listing is, and what tells that its cursors go round in a circle, in constant memory (Brent).

    `mark` is an earlier cursor. It is taken anew after 1, 2, 4, 8 … pages, so that a circle of any length meets it.
    """

    cursor: str | None = None
    pages: int = 0
    mark: str | None = None
    mark_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FullRun:
    """One reading of all members: its order, how far it is, and what it has found. No value of a member.

    `read` members were listed. Of those in the table before, `changed` differed and `altered` had another status or
    lost a field; `new` were not in the table. `gone` are members that the API no longer knows. `fields` counts the
    differences by field. `began` and `updated` go by our clock, `since` and `until` by the API's. `whole` says whether
    the list certainly ended, None before its end. `last_members` is how many the last whole run read.
    `imported_at` is when the last quiet run ended, which may have brought the whole programme.
    `is_alerted` is set while people know of a run that stopped or was not whole. `is_known` says that an earlier run has
    read the list to an end: a run before that is quiet, since no message told of these members.
    """

    id: str
    kind: RunKind
    reason: RunReason = "command"
    dry_run: bool = False
    quiet: bool = False
    confirmed: bool = False
    phase: RunPhase = "listing"
    stopped: StopReason = ""
    began: datetime
    updated: datetime
    since: datetime | None = None
    until: datetime | None = None
    walk: Walk = field(default_factory=Walk)
    whole: bool | None = None
    end: str = ""
    total: int | None = None
    read: int = 0
    new: int = 0
    changed: int = 0
    altered: int = 0
    gone: int = 0
    told: int = 0
    unreadable: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)
    last_members: int | None = None
    last_day: date | None = None
    imported_at: datetime | None = None
    is_alerted: bool = False
    is_known: bool = False
    version: int = 0

    @property
    def is_active(self) -> bool:
        """Whether it goes on by itself."""
        return self.phase != "finished" and not self.stopped


class FullRunStore(Protocol):
    """Where the full run is kept: one at a time."""

    def load(self) -> FullRun | None:
        """Return it as of the latest write; None where there never was one. Raises `TransientError`."""
        ...

    def save(self, run: FullRun) -> FullRun:
        """Write it as version + 1, and return it so.

        Raises:
            ConflictError: another invocation wrote first.
            TransientError: the table does not answer.

        """
        ...
