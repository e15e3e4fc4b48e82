"""A secret for the adapters' tests, which is read and never changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FixedToken:
    """A token that counts how often it was to be read anew."""

    text: str = "a-service-key"
    forgotten: int = 0

    def value(self) -> str:
        """Return it."""
        return self.text

    def forget(self) -> None:
        """Remember that it was refused."""
        self.forgotten += 1
