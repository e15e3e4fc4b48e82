"""A secret that never changes, for the adapters' tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FixedToken:
    """A token that counts how often it was to be read again."""

    text: str = "a-service-key"
    forgotten: int = 0

    def value(self) -> str:
        """Return it."""
        return self.text

    def forget(self) -> None:
        """Count a request to read it again."""
        self.forgotten += 1
