"""Decodes a success: the documented envelope, about the requested member, read as the operation's type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from inveterate._call import Call
from inveterate._error_mapping import ambiguous, error_of, message_of
from inveterate._errors import (
    BadKeyError,
    BadRequestError,
    InveterateError,
    NotFoundError,
    UnreadableReplyError,
    WrongMemberError,
)
from inveterate._ids import CustomerId
from inveterate._replies import Envelope, MissingRecordError, envelope_of
from inveterate._steps import HttpReply

T = TypeVar("T")

_DELETED: Final = 204
_MAX_DEPTH: Final = 5
_CODE: Final = re.compile(r'"?(?=[^"]*\d)(?=[^"]*[A-Za-z])([A-Za-z0-9][A-Za-z0-9+_.-]{3,63})"?')
"""A discount code: one word with letters and digits. `Forbidden`, `OK` and `404` are none."""

_V1_BAD_KEYS: Final[tuple[object, ...]] = ({"message": "Unauthorized"}, ["Invalid API key"])
"""The two bodies, or their `errors`, that API v1 documents for a bad key, without a status."""


def decode(call: Call[T], reply: HttpReply) -> T | InveterateError:
    """Return the value of a success, or the error where it is not the documented one.

    A gateway's own body, such as `{"message": "Forbidden"}`, an empty body and a proxy's page come with a
    200 as well. For a read they prove nothing; a write with such a reply is ambiguous.
    """
    kind: type[InveterateError] = UnreadableReplyError
    try:
        return _value(call, reply)
    except MissingRecordError as error:
        kind, message = NotFoundError if call.ids else UnreadableReplyError, error.message
    except InveterateError as error:
        kind, message = type(error), error.message
    except RecursionError:
        message = "nested too deeply"
    except Exception as error:  # noqa: BLE001 - whatever a reader raises, the request was sent
        message = f"not readable: {type(error).__name__}"
    failure = error_of(kind, message, call, reply)
    return failure if call.retryable else ambiguous(failure)


def _value(call: Call[T], reply: HttpReply) -> T:
    if reply.status == _DELETED and not reply.content.strip():
        return call.read(Envelope("", None, None))
    if call.plain_text and (code := _code(reply.content)):
        return call.read(Envelope("", code, None))
    envelope = envelope_of(reply.content)
    _refuse_undocumented(call, envelope, reply)
    if call.customer_id is not None and any(
        one != call.customer_id for one in _customer_ids(envelope.raw, _MAX_DEPTH)
    ):
        raise WrongMemberError("the reply is about another member")
    value = call.read(envelope)
    if call.customer_id is not None and getattr(value, "customer_id", call.customer_id) != call.customer_id:
        raise WrongMemberError("the reply is about another member")
    return value


def _refuse_undocumented(call: Call[Any], envelope: Envelope, reply: HttpReply) -> None:
    """Refuse everything but the documented success.

    Raises:
        BadKeyError, BadRequestError, UnreadableReplyError: see the classes.

    """
    raw = envelope.raw
    if isinstance(raw, dict):
        if any(bad in (raw, raw.get("errors")) for bad in _V1_BAD_KEYS):
            raise BadKeyError(message_of(reply.content))
        if raw.get("success") is False:
            raise BadRequestError(message_of(reply.content))
        if envelope.has_data or (call.plain_text and isinstance(raw.get("data"), str)):
            return
        if "data" in raw and raw["data"] is None and call.retryable:
            return  # a read of an id that does not exist may have no data
    raise UnreadableReplyError("a reply without data")


def _customer_ids(value: Any, depth: int) -> Iterator[CustomerId]:
    """Iterate over the customer ids of an object, of the objects within and of its rows."""
    if isinstance(value, list):
        for row in value:
            yield from _customer_ids(row, depth - 1)
    elif isinstance(value, dict) and depth:
        for name in ("customerId", "customer_id"):
            try:
                yield CustomerId(value.get(name))
            except ValueError:
                continue
        for inner in value.values():
            if isinstance(inner, dict | list):
                yield from _customer_ids(inner, depth - 1)


def _code(content: bytes) -> str | None:
    """Return the discount code where the whole body is one, as plain text or as a JSON string."""
    try:
        found = _CODE.fullmatch(content.decode().strip())
    except UnicodeDecodeError:
        return None
    return found[1] if found else None
