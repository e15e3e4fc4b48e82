"""Injected faults: rates by name, drawn from the seed, so that the same seed repeats the same faults."""

from __future__ import annotations

import copy
import random
from collections import Counter
from typing import Any, Final

from sim.errors import NotFoundError, RefusedError

FAULTS: Final[dict[str, str]] = {
    "duplicate": "a delivery is sent twice",
    "reorder": "a delivery is overtaken by up to 20 later ones",
    "delay": "a delivery is held back for up to 5 real seconds",
    "drop": "a delivery is never sent",
    "burst": "deliveries are held back until 160 are collected, then all sent at once",
    "lost_ack": "the answer of the receiver is lost: the delivery is sent again",
    "tamper": "before a delivery, send one with invalid JSON or of another shop",
    "wrong_key": "before a delivery, send one to a callback URL with a wrong key",
    "unknown_topic": "before a delivery, send one with an undocumented topic",
    "unknown_fields": "an event has undocumented fields",
    "missing_fields": "an event lacks some fields (never the member or the time)",
    "wrong_clock": "an event's own time is far ahead, or before there was the platform; the time of triggering is right",
    "tie_ms": "two events of a member bear one millisecond",
    "tie_second": "a change of credits bears the whole second of the change before it",
    "float_dust": "amounts carry the noise of a computation with floats",
    "odd_currency": "a currency is in lower case, or has three digits (KWD), or none (JPY)",
    "changed_retry": "a received event is sent again with retryCount, updatedAt and the time of triggering renewed",
    "erasure": "a member is anonymised within an hour",
    "api_5xx": "an API request answers 500 and changes nothing",
    "api_429": "an API request answers 429 with Retry-After",
    "api_timeout": "an API request is processed and not answered",
    "api_half_done": "an API write is applied in part or whole, and answers 500",
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
"""The default faults of `make run`: none of them loses a fact or leaves a dead letter."""

ALL_RATES: Final = {
    **DEFAULT_RATES,
    "drop": 0.01, "tamper": 0.01, "wrong_key": 0.01, "unknown_topic": 0.01, "unknown_fields": 0.02, "missing_fields": 0.02,
    "api_429": 0.01, "api_half_done": 0.01,
    "wrong_clock": 0.02, "tie_ms": 0.1, "tie_second": 0.5, "float_dust": 0.05, "odd_currency": 0.05, "changed_retry": 0.05, "erasure": 0.005,
}  # fmt: skip

SETS: Final = {"none": {}, "default": DEFAULT_RATES, "all": ALL_RATES}


def is_rate(value: object, most: float) -> bool:
    """Return whether a value is a number from 0 to `most`."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most


class FaultInjector:
    """The rate of each fault, from 0 to 1. A decision depends only on the seed, the fault and its subject.

    `struck` counts how often each fault has changed something: one that is drawn for an event without the field that
    it would change strikes nothing.
    """

    def __init__(self, seed: int, rates: dict[str, float] | None = None) -> None:
        self._seed = seed
        self.rates = dict.fromkeys(FAULTS, 0.0)
        self.struck: Counter[str] = Counter()
        self.set(rates or {})

    def set(self, rates: dict[str, float]) -> None:
        """Set some of the rates.

        Raises:
            NotFoundError: the fault does not exist.
            RefusedError: a rate is not from 0 to 1.

        """
        for name, rate in rates.items():
            if name not in FAULTS:
                raise NotFoundError(f"no such fault: {name}")
            if not is_rate(rate, 1):
                raise RefusedError(f"the rate of {name} is from 0 to 1")
        self.rates.update(rates)

    def draw(self, name: str, subject: object) -> random.Random | None:
        """Return a random source for the details if the fault occurs for this subject, else None."""
        rate = self.rates[name]
        if not rate:
            return None
        source = random.Random(f"{self._seed}/{name}/{subject}")  # noqa: S311 - a seeded history can be repeated
        return source if source.random() < rate else None

    def counted(self) -> dict[str, int]:
        """Return how often each fault has struck, of those that have a rate or had one."""
        return {name: self.struck[name] for name, rate in self.rates.items() if rate or self.struck[name]}

    def described(self) -> dict[str, dict[str, Any]]:
        """Return every fault with its rate and description."""
        return {name: {"rate": self.rates[name], "about": about} for name, about in FAULTS.items()}


PROTECTED_FIELDS: Final = frozenset(
    {
        "customerId",
        "id",
        "createdAt",
        "expiredAt",
        "newBalance",
        "previousBalance",
        "isFinal",
        "newData",
        "customer",
    }
)
"""Never removed: they identify the member and the time, or the event would mean something else."""


def mutate_payload(faults: FaultInjector, ordinal: int, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload with the drawn field faults, decided once per event: every delivery of it is alike."""
    extra = faults.draw("unknown_fields", ordinal)
    removed = faults.draw("missing_fields", ordinal)
    if extra is None and removed is None:
        return payload
    payload = copy.deepcopy(payload)
    if removed is not None:
        _remove_fields(payload, removed)
        faults.struck["missing_fields"] += 1
    if extra is not None:
        _add_field(payload, extra)
        faults.struck["unknown_fields"] += 1
    return payload


def _remove_fields(payload: dict[str, Any], chance: random.Random) -> None:
    places = [(part, name) for part in _parts(payload) for name in part if name not in PROTECTED_FIELDS]
    for part, name in chance.sample(places, min(len(places), chance.randint(1, 3))):
        part.pop(name, None)


def _add_field(payload: dict[str, Any], chance: random.Random) -> None:
    part = chance.choice(_parts(payload))
    part["x_" + f"{chance.getrandbits(24):06x}"] = chance.choice(
        [None, True, 12.5, "später", {"nested": [1, 2]}]
    )


def _parts(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the payload and the objects directly inside it."""
    return [payload, *(part for part in payload.values() if isinstance(part, dict))]
