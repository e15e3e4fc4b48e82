"""JSON in which an amount keeps its cents: decimals are written and read as they are, never by way of a float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from relay.notation import plain_number


def dumps(value: object) -> bytes:
    """Write JSON; a `Decimal` becomes a plain number, `24.99` and not `24.989999…` nor `"24.99"`."""
    return _write(value).encode()


def loads(content: bytes) -> Mapping[str, Any]:
    """Read a JSON object, fractions as `Decimal`; an empty one where the content is none."""
    try:
        body = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, Mapping) else {}


def _write(value: object) -> str:
    match value:
        case Decimal():
            return plain_number(value)
        case Mapping():
            return "{" + ",".join(f"{_write(str(name))}:{_write(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_write, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)
