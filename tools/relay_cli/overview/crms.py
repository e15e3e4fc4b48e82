"""How far a CRM is behind the programme, how many changes are queued for it, and how many members wait or are refused.

A member waits that the CRM does not take for now, and is refused after two weeks of it. Both are counted in the sync
states, which are read for a few seconds at most: of a large programme only a part is
read, and the number is then a least. `relay mirror status` counts all.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from relay_cli.commands.mirror.target import Target

_SECONDS: Final = 8.0


def crm_row(
    target: Target,
    lag: float | None,
    *,
    seconds: float = _SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Return the state of one mirror; the CRM is not called."""
    counts: Counter[str] = Counter()
    cursor: str | None = None
    until = monotonic() + seconds
    while True:
        page = target.sync_state_scan.page(cursor)
        counts.update(state.state for _, state in page.items)
        cursor = page.cursor
        if cursor is None or monotonic() >= until:
            break
    record = target.circuits.load()
    return {
        "target": target.name,
        "circuit": "closed" if record.until is None else record.state.replace("_", " "),
        "circuit_reason": record.reason if record.until else None,
        "lag_seconds": lag,
        "messages_waiting": target.waiting(),
        "mirrored": counts["mirrored"],
        "waiting": counts["waiting"],
        "refused": counts["refused"],
        "complete": cursor is None,
    }
