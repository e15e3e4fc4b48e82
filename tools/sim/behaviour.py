"""The actions that members perform by themselves: rates per member and month, zero unless a scenario sets them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sim.errors import NotFoundError, RefusedError
from sim.faults import is_rate


@dataclass(slots=True)
class BehaviourRates:
    """Rates per member and 30 days, except `payment_fails` and `retry_fails`: the probability for each attempt.

    `version` counts the changes: an action drawn from older rates is void.
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
    def action_rates(self) -> tuple[tuple[str, float], ...]:
        """The names of the actions with their rates."""
        named = ("orders", "redemptions", "cancellations", "tier_changes", "card_updates", "profile_updates")
        return tuple((name, getattr(self, name)) for name in named)

    def set(self, rates: dict[str, Any]) -> None:
        """Set some of the rates.

        Raises:
            NotFoundError: the rate does not exist.
            RefusedError: a rate is no number from 0 to 1000.

        """
        known = self.described()
        for name, rate in rates.items():
            if name not in known:
                raise NotFoundError(f"no such behaviour: {name}")
            if not is_rate(rate, 1000):
                raise RefusedError(f"{name} is a rate from 0 to 1000")
        for name, rate in rates.items():
            setattr(self, name, float(rate))
        self.version += 1

    def described(self) -> dict[str, float]:
        """Return all rates."""
        return {name: rate for name, rate in asdict(self).items() if name != "version"}
