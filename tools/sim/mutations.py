"""Events that carry more, or less, than documented. Decided once per event: every delivery of it is alike."""

from __future__ import annotations

import copy
import random
from typing import Any, Final

from sim.faults import Faults

KEPT: Final = frozenset(
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
"""Never taken away: whose it is, when it was, and without which an event says something else."""


def mutated(faults: Faults, ordinal: int, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload as it will be sent."""
    more = faults.chance("unknown_fields", ordinal)
    less = faults.chance("missing_fields", ordinal)
    if more is None and less is None:
        return payload
    payload = copy.deepcopy(payload)
    if less is not None:
        _take(payload, less)
    if more is not None:
        _add(payload, more)
    return payload


def _take(payload: dict[str, Any], chance: random.Random) -> None:
    places = [(part, name) for part in _parts(payload) for name in part if name not in KEPT]
    for part, name in chance.sample(places, min(len(places), chance.randint(1, 3))):
        part.pop(name, None)


def _add(payload: dict[str, Any], chance: random.Random) -> None:
    part = chance.choice(_parts(payload))
    part["x_" + f"{chance.getrandbits(24):06x}"] = chance.choice(
        [None, True, 12.5, "später", {"nested": [1, 2]}]
    )


def _parts(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the payload and the objects that stand in it, one level down."""
    return [payload, *(part for part in payload.values() if isinstance(part, dict))]
