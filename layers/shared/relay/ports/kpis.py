"""The port of the KPI events: each is stored once and found by time; beside them, the webhooks of each hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from relay.model.kpis import KpiEvent


class KpiStore(Protocol):
    """The programme's KPI events, and the number of webhooks of each hour."""

    def put(self, events: Sequence[KpiEvent]) -> Sequence[Exception | None]:
        """Store events; one answer for each, None where it is stored. Storing one again changes nothing."""
        ...

    def between(self, begin: datetime, end: datetime) -> Iterable[KpiEvent]:
        """Return the events from `begin` on and before `end`, the oldest first.

        Raises:
            TransientError: the table does not answer.

        """
        ...

    def add_webhooks(self, hours: Mapping[datetime, int]) -> None:
        """Add to the hours' numbers of webhooks. Errors as in `between`."""
        ...

    def webhooks(self, begin: datetime, end: datetime) -> Mapping[datetime, int]:
        """Return the numbers of webhooks by hour, for hours that had any. Errors as in `between`."""
        ...
