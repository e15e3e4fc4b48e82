"""The figures of the programme: each kept once, found by time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from relay.model.kpis import KpiEvent


class KpiStore(Protocol):
    """The programme's figures, and by the hour how many webhooks came."""

    def keep(self, figures: Sequence[KpiEvent]) -> Sequence[Exception | None]:
        """Keep figures; one answer for each, None where it is kept. One that is kept again is kept once."""
        ...

    def between(self, begin: datetime, end: datetime) -> Iterable[KpiEvent]:
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
