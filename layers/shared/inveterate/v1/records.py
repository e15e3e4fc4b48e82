"""Records of API v1 without a counterpart in v2.0."""

from __future__ import annotations

from typing import Any

from inveterate._replies import Envelope, Receipt
from inveterate._scalars import Money, Text
from inveterate.models.base import Record
from inveterate.models.members import CreditEntry


class Redemption(Record):
    """The discount code that a member holds: it begins with `REDEEM+`; `value` is in US dollars."""

    code: Text | None = None
    value: Money | None = None


class Ledger(Record):
    """A member's ledger, with expired entries, and the valid discount code, if any."""

    credits: tuple[CreditEntry, ...] = ()
    redemption: Redemption | None = None


def receipt_without_token(envelope: Envelope) -> Receipt:
    """Read the reply to a cancellation, without its `cancelToken`, which can confirm the cancellation."""
    return Receipt(envelope.message, _without_token(envelope.data))


def _without_token(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_token(value) for name, value in data.items() if name != "cancelToken"}
    return [_without_token(value) for value in data] if isinstance(data, list) else data
