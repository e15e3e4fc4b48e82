"""The figures of the programme, and how a table is read through page by page, a round a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from relay.figures import Counted

if TYPE_CHECKING:
    from relay.rounds import Round

Item = TypeVar("Item")


class Figures(Protocol):
    """The programme's figures, and by the hour how many webhooks came."""

    def keep(self, figures: Sequence[Counted]) -> Sequence[Exception | None]:
        """Keep figures; one answer for each, None where it is kept. One that is kept again is kept once."""
        ...

    def between(self, begin: datetime, end: datetime) -> Iterable[Counted]:
        """Return the figures from `begin` on and before `end`, the oldest first.

        Raises:
            TransientError: when the table does not answer.

        """
        ...

    def hear(self, hours: Mapping[datetime, int]) -> None:
        """Add to the hours' numbers of webhooks. Errors as in `between`."""
        ...

    def heard(self, begin: datetime, end: datetime) -> Mapping[datetime, int]:
        """Return the numbers of webhooks by hour, where there were any. Errors as in `between`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some of a table's items, and where to go on: `after` is None when these were the last.

    `unreadable` counts those that newer code has written in a way that this one cannot read.
    """

    items: Sequence[Item]
    after: str | None = None
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
