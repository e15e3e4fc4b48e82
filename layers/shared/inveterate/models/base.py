"""A record as the platform keeps it: read tolerantly, and kept as it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import PrivateAttr

from inveterate._tolerant import Part, repaired


class Record(Part):
    """A record of the platform. Unknown fields are kept (`record.model_extra`); unreadable ones are None."""

    _raw: Mapping[str, Any] = PrivateAttr(default_factory=dict)
    _drift: tuple[str, ...] = PrivateAttr(default=())

    @property
    def raw(self) -> Mapping[str, Any]:
        """The record as JSON made it (numbers with a fraction as `Decimal`)."""
        return self._raw

    @property
    def drift(self) -> tuple[str, ...]:
        """Dotted paths of the fields that could not be read and were left out; never their values."""
        return self._drift

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read a record.

        Raises:
            UnrepairableError: when it lacks a field that it cannot be without.

        """
        read, drift = repaired(cls, data)
        read._raw, read._drift = data, drift  # noqa: SLF001 - our own
        return read
