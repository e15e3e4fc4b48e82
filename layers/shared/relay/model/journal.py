"""The journal: one line for everything that was processed, with what it said and what became of it.

A line may be written twice (a crash between the journal and the acknowledgement): whoever reads the
journal takes the first line of an id and outcome. Secrets that an event carries never get here.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from relay.model.delivery import Delivery

JournalOutcome: TypeAlias = Literal["applied", "stale", "repeat", "ignored", "probe", "unclaimed", "dead"]

LARGEST_LINE: Final = 1_000 * 1024
"""Bytes that Firehose takes as one record."""

_SECRETS: Final = frozenset({"canceltoken", "cancel_token", "token"})
_SECRET_IN_TEXT: Final = re.compile(rb'("(?:cancel_?token|token)"\s*:\s*")(?:[^"\\]|\\.)*(")', re.IGNORECASE)


def line(  # noqa: PLR0913 - the columns of a line, each by its name
    delivery: Delivery,
    *,
    shop: str,
    outcome: JournalOutcome,
    customer: str | None = None,
    at: datetime | None = None,
    effects: Sequence[str] = (),
    body: object = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """Return the line of one delivery; `body` is the delivery as JSON, if it is any."""
    columns: dict[str, Any] = {
        "id": delivery.event_id,
        "delivery_id": delivery.delivery_id,
        "topic": delivery.topic,
        "shop": shop,
        "customer": customer,
        "received_at": delivery.received_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "at": at.isoformat(timespec="milliseconds") if at else None,
        "outcome": outcome,
        "reason": reason,
        "effects": list(effects),
    }
    if body is not None:
        columns["body"] = without_secrets(body)
    else:
        columns["raw"] = base64.b64encode(_SECRET_IN_TEXT.sub(rb"\1\2", delivery.body)).decode("ascii")
    return {name: value for name, value in columns.items() if value is not None}


def without_secrets(body: object) -> object:
    """Return the body without the tokens that it may carry, at any depth."""
    if isinstance(body, Mapping):
        return {
            name: without_secrets(value) for name, value in body.items() if str(name).lower() not in _SECRETS
        }
    if isinstance(body, list):
        return [without_secrets(value) for value in body]
    return body


def dump(columns: Mapping[str, Any]) -> bytes:
    """Write a line: compact JSON and a line feed.

    A body that would not fit comes as `packed`: base64 of zlib of its JSON (of its bytes, for what is no
    JSON). Numbers alone can make it so: `1e15` is written with all its zeros.
    """
    data = _write(columns)
    if len(data) <= LARGEST_LINE:
        return data
    rest = {name: value for name, value in columns.items() if name not in {"body", "raw"}}
    content = _write(columns["body"]) if "body" in columns else base64.b64decode(columns.get("raw", ""))
    return _write({**rest, "packed": base64.b64encode(zlib.compress(content)).decode("ascii")})


def _write(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain)
    # A lone surrogate has no UTF-8; what Python writes for it is just JSON's own escape.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _plain(value: object) -> float | str:
    if isinstance(value, Decimal):
        return float(value) if value == Decimal(str(float(value))) else str(value)
    raise TypeError(type(value).__name__)
