"""What goes wrong, how often: rates by name, decided by the seed, so that the same seed breaks the same things."""

from __future__ import annotations

import random
from typing import Any, Final

from sim.errors import NotThereError, RefusedError

FAULTS: Final[dict[str, str]] = {
    "duplicate": "a delivery is made twice",
    "reorder": "a delivery is overtaken by up to 20 later ones",
    "delay": "a delivery is held back for up to 5 real seconds",
    "drop": "a delivery is never made",
    "burst": "deliveries are held back until 160 have gathered, then all made at once",
    "lost_ack": "the receiver's answer to an attempt is lost: it is made again",
    "tamper": "before a delivery comes one that is no JSON, or of another shop",
    "wrong_key": "before a delivery comes one whose callback URL ends wrongly",
    "unknown_topic": "before a delivery comes one of a topic that nobody documented",
    "unknown_fields": "an event carries fields that nobody documented",
    "missing_fields": "an event lacks some fields (never what says whose it is, or when)",
    "api_5xx": "a request to the API answers 500 and does nothing",
    "api_429": "a request to the API answers 429 with Retry-After",
    "api_timeout": "a request to the API is done and never answered",
    "api_half_done": "a write to the API is done in part, or whole, and answers 500",
}

DEFAULT_RATES: Final = {
    "duplicate": 0.05,
    "reorder": 0.05,
    "delay": 0.02,
    "burst": 0.002,
    "lost_ack": 0.02,
    "api_5xx": 0.02,
    "api_timeout": 0.01,
}
"""What `make run` breaks by default: nothing that loses a fact or leaves a dead letter."""

ALL_RATES: Final = {
    **DEFAULT_RATES,
    "drop": 0.01, "tamper": 0.01, "wrong_key": 0.01, "unknown_topic": 0.01, "unknown_fields": 0.02, "missing_fields": 0.02,
    "api_429": 0.01, "api_half_done": 0.01,
}  # fmt: skip

SETS: Final = {"none": {}, "default": DEFAULT_RATES, "all": ALL_RATES}


def is_rate(value: object, most: float) -> bool:
    """Tell whether a value from outside is a number from 0 to `most`."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most


class Faults:
    """Rates from 0 to 1 by name. A decision depends on the seed, the fault and what it is about, on nothing else."""

    def __init__(self, seed: int, rates: dict[str, float] | None = None) -> None:
        self._seed = seed
        self.rates = dict.fromkeys(FAULTS, 0.0)
        self.set(rates or {})

    def set(self, rates: dict[str, float]) -> None:
        """Set some rates.

        Raises:
            NotThereError: when there is no such fault.
            RefusedError: when a rate is not from 0 to 1.

        """
        for name, rate in rates.items():
            if name not in FAULTS:
                raise NotThereError(f"no such fault: {name}")
            if not is_rate(rate, 1):
                raise RefusedError(f"the rate of {name} is from 0 to 1")
        self.rates.update(rates)

    def chance(self, name: str, about: object) -> random.Random | None:
        """Return a source of chance for the details if the fault strikes here, else None."""
        rate = self.rates[name]
        if not rate:
            return None
        source = random.Random(f"{self._seed}/{name}/{about}")  # noqa: S311 - a history that can be repeated is the point
        return source if source.random() < rate else None

    def described(self) -> dict[str, dict[str, Any]]:
        """Return every fault with its rate, for people."""
        return {name: {"rate": self.rates[name], "about": about} for name, about in FAULTS.items()}
