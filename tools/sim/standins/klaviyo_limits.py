"""How often one may call Klaviyo: by the second and by the minute, for each endpoint, in fixed windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

LIMITS: Final = {
    "/api/profile-import": (75, 750),
    "/api/profiles": (75, 750),
    "/api/events": (350, 3_500),
    "/api/profile-bulk-import-jobs": (10, 150),
}
"""Calls by the second and by the minute."""

_WINDOWS: Final = (1, 60)


@dataclass(slots=True)
class Limits:
    """The counts of one account. `clock` is in seconds."""

    clock: Callable[[], float] = time.monotonic
    _counts: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)

    def count(self, path: str) -> tuple[dict[str, str], float | None]:
        """Count a request; return the headers of its answer, and how long to wait where it is one too many."""
        known = next((root for root in LIMITS if path == root or path.startswith(f"{root}/")), None)
        if known is None:
            return {}, None
        now, left = self.clock(), 0.0
        counted: dict[tuple[str, int], tuple[float, int]] = {}
        for seconds, most in zip(_WINDOWS, LIMITS[known], strict=True):
            begun, count = self._counts.get((known, seconds), (now, 0))
            begun, count = (now, 0) if now - begun >= seconds else (begun, count)
            left = begun + seconds - now
            if count >= most:
                return {}, max(1.0, left)
            counted[known, seconds] = (begun, count + 1)
        self._counts |= counted
        burst, steady = LIMITS[known]
        return {
            "RateLimit-Limit": f"{steady}, {burst};w=1, {steady};w=60",
            "RateLimit-Remaining": f"{steady - counted[known, 60][1]}",
            "RateLimit-Reset": f"{left:.0f}",
        }, None
