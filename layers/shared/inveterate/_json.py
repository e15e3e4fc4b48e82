"""JSON with exact money: a number with a fraction is a `Decimal`, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation


def read_json(content: bytes) -> object:
    """Read JSON; `NaN` and `Infinity` are refused.

    Raises:
        ValueError: when it is not JSON, or nested too deeply to be read.

    """
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except InvalidOperation:  # an exponent beyond what a decimal can hold
        raise ValueError("not a number in range") from None


def write_json(value: object) -> str:
    """Write JSON without spaces; numbers keep the digits they have, non-ASCII text is escaped.

    Raises:
        ValueError: for a value without a JSON form, such as a number that is not finite.

    """
    if value is None or isinstance(value, str | bool | int):
        return json.dumps(value)
    if isinstance(value, float | Decimal):
        return str(_finite(Decimal(str(value))))
    if isinstance(value, datetime | date):
        return json.dumps(value.isoformat())
    if isinstance(value, Mapping):
        return (
            "{" + ",".join(f"{json.dumps(str(key))}:{write_json(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(write_json, value)) + "]"
    raise ValueError(f"JSON has no {type(value).__name__}")


def _finite(number: Decimal) -> Decimal:
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number


def _refused(_: str) -> object:
    raise ValueError("NaN and Infinity are not JSON")
