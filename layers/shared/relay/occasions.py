"""An occasion: one matter that people are told of once, again when it grows worse, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """To be filled in with the notifier."""

    key: str
