"""How members live when nobody tells them to: rates per member and month, zero unless a scenario says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sim.errors import NotThereError, RefusedError
from sim.faults import is_rate


@dataclass(slots=True)
class Habits:
    """Rates per member and 30 days, except `payment_fails` and `retry_fails`: the chance of each attempt.

    `version` counts the changes: what was drawn under older habits is void.
    """

    orders: float = 0.0
    redemptions: float = 0.0
    cancellations: float = 0.0
    tier_changes: float = 0.0
    card_updates: float = 0.0
    profile_updates: float = 0.0
    payment_fails: float = 0.0
    retry_fails: float = 0.5
    version: int = 0

    @property
    def acts(self) -> tuple[tuple[str, float], ...]:
        """The things members do of their own accord, with their rates."""
        named = ("orders", "redemptions", "cancellations", "tier_changes", "card_updates", "profile_updates")
        return tuple((name, getattr(self, name)) for name in named)

    def set(self, rates: dict[str, Any]) -> None:
        """Set some rates.

        Raises:
            NotThereError: when there is no such habit.
            RefusedError: when a rate is no number from 0 to 1000.

        """
        known = self.described()
        for name, rate in rates.items():
            if name not in known:
                raise NotThereError(f"no such habit: {name}")
            if not is_rate(rate, 1000):
                raise RefusedError(f"{name} is a rate from 0 to 1000")
        for name, rate in rates.items():
            setattr(self, name, float(rate))
        self.version += 1

    def described(self) -> dict[str, float]:
        """Return all rates."""
        return {name: rate for name, rate in asdict(self).items() if name != "version"}
