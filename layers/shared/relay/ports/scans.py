"""How all members are gone through once a day: page by page, and noted how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from relay.model.kpis import DailyTotals

Item = TypeVar("Item")

Part: TypeAlias = Literal["members", "mirrors", "digest", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """How far the round of a day is, by the shop's clock.

    It covers what came due after `begin` and up to `end`. `told` is the last day whose digest was sent.
    `after` is the last key that was read in the present part.
    """

    day: date
    begin: datetime
    end: datetime
    told: date
    part: Part = "members"
    after: str | None = None
    tally: DailyTotals = field(default_factory=DailyTotals)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some of a table's items, and the `cursor` of the next page; None after the last.

    `unreadable` counts those that newer code has written in a way that this one cannot read.
    """

    items: Sequence[Item]
    cursor: str | None = None
    unreadable: int = 0


class Pages(Protocol[Item]):
    """A table that is read through, page by page, in its own order."""

    def page(self, after: str | None = None) -> Page[Item]:
        """Return the page that follows the key `after`, the first one for None.

        Raises:
            TransientError: when the table does not answer.

        """
        ...


class Rounds(Protocol):
    """Where the daily round keeps how far it is."""

    def load(self) -> Round | None:
        """Read it, as of the latest write; None where there never was one.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def save(self, round_: Round) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: when it was written since.
            TransientError: when the table does not answer.

        """
        ...
