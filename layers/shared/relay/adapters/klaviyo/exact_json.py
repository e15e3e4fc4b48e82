"""JSON in which an amount keeps its cents: decimals are written as they are, never by way of a float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from relay.model.formats import number_text


def dumps(value: object) -> bytes:
    """Write JSON; a `Decimal` becomes a plain number, `24.99` and not `24.989999…` nor `"24.99"`."""
    return _write(value).encode()


def _write(value: object) -> str:
    match value:
        case Decimal():
            return number_text(value)
        case Mapping():
            return "{" + ",".join(f"{_write(str(name))}:{_write(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_write, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)
