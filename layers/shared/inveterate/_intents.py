"""Who wrote down first that credits are about to be granted: the port behind `members.credits.grant`.

The platform takes no idempotency key, so "at most once" has to be remembered on our side, before the
request leaves. An intent is one key with what it is for. Implement `Intents` over whatever all your
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
    """What a key stands for: so many credits, in the shop's currency unit, for one member."""

    key: str
    customer_id: CustomerId
    amount: Decimal


class ClaimState(StrEnum):
    """How far an intent has come."""

    NEW = "new"
    """This claim made it: the caller, and nobody else, may post."""
    OPEN = "open"
    """Somebody claimed it earlier, and how that ended is not written down."""
    GRANTED = "granted"
    """It was granted."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is written down under a key.

    `intent` is the one that was written, which may differ from the one asked for. `attempt` counts the
    posts that were allowed, from 1. `age` is in seconds, since the latest of them was allowed, by the
    store's clock.
    """

    state: ClaimState
    intent: Intent
    attempt: int = 1
    age: float = 0.0


class Intents(Protocol):
    """Where intents are written down. Every method must be atomic among all who grant."""

    def claim(self, intent: Intent) -> Claim:
        """Write the intent down unless its key is; return a NEW claim, else what is written."""
        ...

    def renew(self, claim: Claim) -> bool:
        """Allow one more post if the claim is still open at this `attempt`: count it, and say whether."""
        ...

    def settle(self, claim: Claim) -> None:
        """Write down that it was granted."""
        ...

    def release(self, claim: Claim) -> None:
        """Forget an open claim at this `attempt`: the platform refused, and nothing was done."""
        ...


class MemoryIntents:
    """Intents of one process, kept in memory: a restart forgets them.

    Enough to hold back a second call in the same process. Whoever grants from more than one process, or
    wants a grant to survive a restart, passes a store that does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: dict[str, tuple[Claim, float]] = {}
        self._lock = threading.Lock()

    def claim(self, intent: Intent) -> Claim:
        """Write the intent down unless its key is; return a NEW claim, else what is written."""
        now = self._clock()
        with self._lock:
            if intent.key in self._written:
                claim, since = self._written[intent.key]
                return replace(claim, age=now - since)
            self._written[intent.key] = Claim(ClaimState.OPEN, intent), now
        return Claim(ClaimState.NEW, intent)

    def renew(self, claim: Claim) -> bool:
        """Allow one more post if the claim is still open at this `attempt`."""
        with self._lock:
            if not self._is_open(claim):
                return False
            self._written[claim.intent.key] = (
                Claim(ClaimState.OPEN, claim.intent, claim.attempt + 1),
                self._clock(),
            )
            return True

    def settle(self, claim: Claim) -> None:
        """Write down that it was granted."""
        with self._lock:
            self._written[claim.intent.key] = (
                Claim(ClaimState.GRANTED, claim.intent, claim.attempt),
                self._clock(),
            )

    def release(self, claim: Claim) -> None:
        """Forget an open claim at this `attempt`."""
        with self._lock:
            if self._is_open(claim):
                del self._written[claim.intent.key]

    def _is_open(self, claim: Claim) -> bool:
        written, _ = self._written.get(claim.intent.key, (None, 0.0))
        return written is not None and (written.state, written.attempt) == (ClaimState.OPEN, claim.attempt)
