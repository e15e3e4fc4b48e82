"""Base of the platform's records: read tolerantly, with the original JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import PrivateAttr

from inveterate._wire_model import WireModel, read_tolerantly


class Record(WireModel):
    """A record of the platform. Unknown fields are kept (`record.model_extra`); unreadable ones are None."""

    _raw: Mapping[str, Any] = PrivateAttr(default_factory=dict)
    _drift: tuple[str, ...] = PrivateAttr(default=())

    @property
    def raw(self) -> Mapping[str, Any]:
        """The record as parsed JSON (numbers with a fraction as `Decimal`)."""
        return self._raw

    @property
    def drift(self) -> tuple[str, ...]:
        """Dotted paths of the fields that could not be read; never their values."""
        return self._drift

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read a record.

        Raises:
            UnreadableRecordError: when a required field is missing or unreadable.

        """
        record, drift = read_tolerantly(cls, data)
        record._raw, record._drift = data, drift  # noqa: SLF001 - our own
        return record
