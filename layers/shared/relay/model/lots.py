"""Which lots of store credit a member's record keeps: those that expire soonest, and what has expired of late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from relay.model.facts import Lot

LOTS_KEPT_AFTER_EXPIRY: Final = timedelta(days=40)
"""How long a record keeps an expired lot, counted back from the newest fact: reminders look a month back."""

LOTS_KEPT: Final = 300
"""Lots that a record keeps, the soonest to expire: far more than a member has, and far below the table's limit for an item."""


def lots_kept(lots: Mapping[str, Lot], newest: datetime | None) -> dict[str, Lot]:
    """Return the lots to keep, by their ids, as of the record's newest fact. The order in which they came takes no part."""
    oldest = newest - LOTS_KEPT_AFTER_EXPIRY if newest else None
    kept = [each for each in lots.items() if oldest is None or each[1].expires_at >= oldest]
    return dict(sorted(kept, key=lambda each: (each[1].expires_at, each[0]))[:LOTS_KEPT])
