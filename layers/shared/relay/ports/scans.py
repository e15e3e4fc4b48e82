"""Ports for reading whole tables: page by page, and the progress of the daily run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from relay.model.kpis import DailyTotals
from relay.rules.measures import Counts, Measures

ItemT_co = TypeVar("ItemT_co", covariant=True)

Phase: TypeAlias = Literal["members", "high_value", "sync_states", "digest", "letters", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyRun:
    """The progress of one day's run, by the shop's clock.

    It covers what came due after `begin` and up to `end`. `digest_day` is the last day whose digest was sent.
    `cursor` is where the present phase continues, None at its beginning. `version` counts the writes. `counts` are
    the amounts of the members read so far, and `measures` those in force when the run began. `measured_import` is the end
    of the latest import whose members have been measured. A run that covers no time measures the programme after an
    import, and does nothing else. `told` is what
    people were told of the CRMs and is not over (`scheduler/crm_alerts.py`).
    """

    day: date
    begin: datetime
    end: datetime
    digest_day: date
    phase: Phase = "members"
    cursor: str | None = None
    totals: DailyTotals = field(default_factory=DailyTotals)
    counts: Counts = field(default_factory=Counts)
    measures: Measures | None = None
    measured_import: datetime | None = None
    told: tuple[str, ...] = ()
    version: int = 0

    @property
    def only_measures(self) -> bool:
        """Whether the run follows an import: nothing came due, and no day has ended."""
        return self.begin == self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[ItemT_co]):
    """Some of a table's items, and the cursor of the next page: None when these were the last.

    A page may be empty and not the last. `unreadable` counts items that newer code has written in a way that
    this code cannot read.
    """

    items: Sequence[ItemT_co]
    cursor: str | None = None
    unreadable: int = 0


class Scan(Protocol[ItemT_co]):
    """A table that is read page by page, in its own order."""

    def page(self, cursor: str | None = None) -> Page[ItemT_co]:
        """Return the page at a cursor, the first one for None.

        Raises:
            TransientError: the table does not answer.

        """
        ...


class DailyRunStore(Protocol):
    """Where the progress of the daily run is kept."""

    def load(self) -> DailyRun | None:
        """Return it as of the latest write; None where there never was one.

        Raises:
            TransientError: the table does not answer.

        """
        ...

    def save(self, run: DailyRun) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: another invocation wrote first.
            TransientError: the table does not answer.

        """
        ...
