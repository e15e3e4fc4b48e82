"""Readers of replies: one record, a page of records, or the receipt of a write.

Every v2.0 reply is documented as `{message, data: {}}`; lists promise arrays while `data` is an object,
and neither the array nor the cursor is named. A record or an array is searched for where it can be, and
the JSON is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, overload

from inveterate._errors import NoRecordError, UnreadableReplyError
from inveterate._json import read_json, write_json
from inveterate._wire_model import UnreadableRecordError
from inveterate.models.base import Record

T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=Record)

_ENVELOPE: Final = frozenset({"message", "data", "success", "errors"})
_MAX_CURSOR: Final = 6000
"""A longer one does not fit into a URL that servers accept (8 KiB) once it is quoted."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of a 2xx: the platform's message, the data wherever it stood, and the whole JSON."""

    message: str
    data: Any
    raw: Any

    def values(self, name: str) -> Any:
        """Return the value of `name` in `data`, else at the top; None if neither has it."""
        for place in (self.data, self.raw):
            if isinstance(place, dict) and place.get(name) is not None:
                return place[name]
        return None


def envelope_of(content: bytes) -> Envelope:
    """Read the body of a 2xx; an empty one is an envelope without data.

    Raises:
        UnreadableReplyError: when it is not JSON.

    """
    if not content.strip():
        return Envelope("", None, None)
    try:
        raw = read_json(content)
    except ValueError:
        raise UnreadableReplyError("not JSON") from None
    if not isinstance(raw, dict):
        return Envelope("", raw, raw)
    message = raw.get("message")
    data = raw.get("data")
    if "data" not in raw and raw.keys() - _ENVELOPE:
        data = raw  # v1's ledger has no envelope: credits stand at the top
    return Envelope(message if isinstance(message, str) else "", data, raw)


@dataclass(frozen=True, slots=True)
class Page(Sequence[T]):
    """One page of records, and the cursor of the next; None where the reply has no cursor.

    `unreadable` names the rows that are not records. They are in `raw`, which holds the whole reply.
    """

    items: tuple[T, ...]
    cursor: str | None = None
    message: str = ""
    raw: Any = None
    unreadable: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The reply to a write: accepted. A 201 means forwarded, not done: read back, or await the event.

    `data` is the reply's data, which may be personal or secret: `repr` does not show it.
    """

    message: str = ""
    data: Any = field(default=None, repr=False)


def read_receipt(envelope: Envelope) -> Receipt:
    """Read the reply to a write."""
    return Receipt(envelope.message, envelope.data)


def read_one(model: type[RecordT], *names: str) -> Callable[[Envelope], RecordT]:
    """Return a reader of one record: `data` itself, the object under one of `names`, or its only row."""
    return lambda envelope: read_record(model.of, find_record(envelope, names), "data")


def read_page(
    row: Callable[[Any], T], *names: str, cursor: str | None = None
) -> Callable[[Envelope], Page[T]]:
    """Return a reader of rows: `data` itself, the array under one of `names`, or the first array."""

    def read(envelope: Envelope) -> Page[T]:
        items, unreadable = [], []
        for index, data in enumerate(_find_rows(envelope, names)):
            try:
                items.append(read_record(row, data, f"data[{index}]"))
            except UnreadableReplyError as error:
                unreadable.append(error.message)
        next_cursor = None if cursor is None else _cursor(envelope.values(cursor))
        return Page(tuple(items), next_cursor, envelope.message, envelope.raw, tuple(unreadable))

    return read


def read_record(read: Callable[[Any], T], data: Any, place: str) -> T:
    """Read one record.

    Raises:
        UnreadableReplyError: when it is not an object or lacks a required field.

    """
    if not isinstance(data, dict):
        raise UnreadableReplyError(f"{place} is not an object")
    try:
        return read(data)
    except UnreadableRecordError as error:
        raise UnreadableReplyError(f"{place} lacks {error}") from None


def find_record(envelope: Envelope, names: Sequence[str]) -> Any:
    """Find the one record of a reply: `data`, the object under one of `names`, or its only row.

    Raises:
        NoRecordError: when there is none.

    """
    data = envelope.data
    for name in ("data", *names):
        # One reading of the documentation has `data` inside `data`.
        if isinstance(data, dict) and isinstance(data.get(name), dict):
            data = data[name]
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if data is None or data in ({}, []):
        raise NoRecordError(envelope.message or "a reply without a record")
    return data


def _find_rows(envelope: Envelope, names: Sequence[str]) -> Sequence[Any]:
    data = envelope.data
    if isinstance(data, list):
        return data
    if isinstance(data, dict):
        for name in names:
            if isinstance(data.get(name), list):
                return list(data[name])
        arrays = [value for value in data.values() if isinstance(value, list)]
        if arrays:
            return list(arrays[0])
    if (
        data is None
        or data == {}
        or (isinstance(data, dict) and not any(map(_is_filled_object, data.values())))
    ):
        return ()
    raise UnreadableReplyError("a list without an array")


def _is_filled_object(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value)


def _cursor(value: Any) -> str | None:
    """Return a cursor as the text to send back: text as it is, an object as JSON, a number as its digits.

    The content of `lastCreditEntry` is not specified, only that it must be URL-encoded; `Call` encodes
    it, once.
    """
    if value is None or value in ("", {}, []) or isinstance(value, bool):
        return None
    text = value if isinstance(value, str) else write_json(value)
    if len(text) > _MAX_CURSOR or not _encodable(text):
        raise UnreadableReplyError("a cursor that cannot be sent back")
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
