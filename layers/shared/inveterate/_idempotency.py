"""Store of idempotency keys behind `members.credits.grant`: which credits were claimed, and which were granted.

The platform takes no idempotency key, so "at most once" is recorded on our side, before the request is
sent. An intent is one key with what it stands for. Implement `Intents` over a store that all granting
processes share; each method is one conditional write.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from inveterate._ids import CustomerId


@dataclass(frozen=True, slots=True)
class Intent:
    """What a key stands for: an amount of credits, in the shop's currency unit, for one member."""

    key: str
    customer_id: CustomerId
    amount: Decimal


class ClaimState(StrEnum):
    """State of an intent."""

    NEW = "new"
    """This claim created it: the caller, and no other, may post."""
    OPEN = "open"
    """An earlier claim created it, and its outcome is not recorded."""
    GRANTED = "granted"
    """It was granted."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The record of a key.

    `intent` is the recorded one, which may differ from the requested one. `attempt` counts the posts
    that were allowed, from 1. `age` is the time in seconds since the latest of them was allowed, by the
    store's clock.
    """

    state: ClaimState
    intent: Intent
    attempt: int = 1
    age: float = 0.0


class Intents(Protocol):
    """Store of intents. Every method is atomic among all processes that grant."""

    def claim(self, intent: Intent) -> Claim:
        """Record the intent unless its key is recorded; return a NEW claim, else the record."""
        ...

    def renew(self, claim: Claim) -> bool:
        """Count one more post if the claim is still open at this `attempt`; return whether it was counted."""
        ...

    def mark_granted(self, claim: Claim) -> None:
        """Record that it was granted."""
        ...

    def release(self, claim: Claim) -> None:
        """Delete an open claim at this `attempt`: the platform refused, and no credits were added."""
        ...


class MemoryIntents:
    """Intents of one process, kept in memory: a restart forgets them.

    They prevent a second grant by the same process. Pass a durable store where several processes grant,
    or where a grant has to survive a restart.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recorded: dict[str, tuple[Claim, float]] = {}
        self._lock = threading.Lock()

    def claim(self, intent: Intent) -> Claim:
        """Record the intent unless its key is recorded; return a NEW claim, else the record."""
        now = self._clock()
        with self._lock:
            if intent.key in self._recorded:
                claim, since = self._recorded[intent.key]
                return replace(claim, age=now - since)
            self._recorded[intent.key] = Claim(ClaimState.OPEN, intent), now
        return Claim(ClaimState.NEW, intent)

    def renew(self, claim: Claim) -> bool:
        """Count one more post if the claim is still open at this `attempt`; return whether it was counted."""
        with self._lock:
            if not self._is_open(claim):
                return False
            self._recorded[claim.intent.key] = (
                Claim(ClaimState.OPEN, claim.intent, claim.attempt + 1),
                self._clock(),
            )
            return True

    def mark_granted(self, claim: Claim) -> None:
        """Record that it was granted."""
        with self._lock:
            self._recorded[claim.intent.key] = (
                Claim(ClaimState.GRANTED, claim.intent, claim.attempt),
                self._clock(),
            )

    def release(self, claim: Claim) -> None:
        """Delete an open claim at this `attempt`."""
        with self._lock:
            if self._is_open(claim):
                del self._recorded[claim.intent.key]

    def _is_open(self, claim: Claim) -> bool:
        recorded, _ = self._recorded.get(claim.intent.key, (None, 0.0))
        return recorded is not None and (recorded.state, recorded.attempt) == (ClaimState.OPEN, claim.attempt)
