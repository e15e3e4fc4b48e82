"""The port of what is known about the webhook subscriptions: what was wrong at the last look, and the tokens' digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionState:
    """What the daily look found: by topic what is wrong, and on which day it looked.

    `tokens` are the SHA-256 digests of the tokens that the platform returned, by topic. No token is kept.
    """

    day: date | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    version: int = 0


class SubscriptionStore(Protocol):
    """Where it is kept. Both methods raise a `TransientError` when the table does not answer."""

    def load(self) -> SubscriptionState:
        """Return what is known, as of the latest write."""
        ...

    def save(self, state: SubscriptionState) -> None:
        """Write it as version + 1. Raises `ConflictError` where another invocation wrote first."""
        ...
