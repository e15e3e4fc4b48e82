"""Readers of replies: one record, a page of records, or the receipt of a write.

Every v2.0 reply is documented as `{message, data: {}}`; lists promise arrays while `data` is an object,
and neither the array nor the cursor is named. A record or an array is searched for where it can be, and
the JSON is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, overload

from inveterate._errors import UnreadableReplyError
from inveterate._json import read_json, write_json
from inveterate._wire_model import UnreadableRecordError
from inveterate.models.base import Record

T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=Record)

_ENVELOPE: Final = frozenset({"message", "data", "success", "errors"})
_NOT_ROWS: Final = frozenset({"errors", "warnings", "messages"})
_MAX_CURSOR: Final = 6000
"""A longer one does not fit into a URL that servers accept (8 KiB) once it is quoted."""
_MAX_DEPTH: Final = 3
_CURSOR_LIKE: Final = re.compile(
    r"last|next|cursor|token|page|offset|continu|more|after|marker|start", re.IGNORECASE
)
_SIZES: Final = re.compile(r"size|limit|per_?page", re.IGNORECASE)


class MissingRecordError(UnreadableReplyError):
    """A success without the record; the caller never sees it (`NotFoundError` for a read by id)."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of a 2xx: the platform's message, the data wherever it stood, and the whole JSON.

    `has_data` is False without a `data` that is an object or an array: then it is not a documented success.
    `repr` shows no data: error trackers record local variables.
    """

    message: str
    data: Any = field(repr=False)
    raw: Any = field(repr=False)
    has_data: bool = True

    def values(self, name: str) -> Any:
        """Return the value of `name` in `data`, else at the top, else in an object within; None without it."""
        for place in _objects(self.data, self.raw):
            if place.get(name) is not None:
                return place[name]
        return None


def _objects(*places: Any) -> Iterator[dict[str, Any]]:
    """Iterate over objects and the objects within, nearest first; arrays are rows and are skipped."""
    level = [place for place in places if isinstance(place, dict)]
    for _ in range(_MAX_DEPTH):
        yield from level
        level = [value for place in level for value in place.values() if isinstance(value, dict)]


def envelope_of(content: bytes) -> Envelope:
    """Read the body of a 2xx; an empty one is an envelope without data.

    Raises:
        UnreadableReplyError: when it is not JSON.

    """
    if not content.strip():
        return Envelope("", None, None, has_data=False)
    try:
        raw = read_json(content)
    except ValueError:
        raise UnreadableReplyError("not JSON") from None
    if not isinstance(raw, dict):
        return Envelope("", raw, raw, has_data=False)
    message = raw.get("message")
    data = raw.get("data")
    has_data = isinstance(data, dict | list)
    if "data" not in raw and "credits" in raw:
        data, has_data = raw, True  # v1's ledger has no envelope: credits stand at the top
    return Envelope(message if isinstance(message, str) else "", data, raw, has_data)


@dataclass(frozen=True, slots=True)
class Page(Sequence[T]):
    """One page of records, and the cursor of the next; None where the reply has no cursor.

    `unreadable` names the rows that are not records. They are in `raw`, which holds the whole reply and is
    not in `repr`. `full` is True where the page has as many rows as requested, or more. `unrecognised`
    names fields that may be a cursor under another name.
    """

    items: tuple[T, ...]
    cursor: str | None = None
    message: str = ""
    raw: Any = field(default=None, repr=False)
    unreadable: tuple[str, ...] = ()
    full: bool = False
    unrecognised: tuple[str, ...] = ()

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
    row: Callable[[Any], T],
    *names: str,
    cursor: str | None = None,
    limit: int | None = None,
    continued: bool = False,
) -> Callable[[Envelope], Page[T]]:
    """Return a reader of rows: `data` itself, the array under one of `names`, or the only array.

    `limit` is the requested page size. Where the request had a cursor (`continued`), a reply without an
    array is a page without rows; otherwise it is unreadable, since it does not prove an empty list.
    """

    def read(envelope: Envelope) -> Page[T]:
        items: list[T] = []
        unreadable: list[str] = []
        name, rows = _find_rows(envelope, names)
        if rows is None:
            if not continued or isinstance(envelope.data, list):
                raise UnreadableReplyError("a list without an array")
            unreadable.append("data has no array")
        for index, data in enumerate(rows or ()):
            try:
                items.append(read_record(row, data, f"data[{index}]"))
            except UnreadableReplyError as error:
                unreadable.append(error.message)
        known = {name, cursor} | _ENVELOPE
        return Page(
            tuple(items),
            None if cursor is None else _cursor(envelope.values(cursor)),
            envelope.message,
            envelope.raw,
            tuple(unreadable),
            full=limit is not None and len(rows or ()) >= limit,
            unrecognised=() if cursor is None else tuple(_possible_cursors(envelope, known)),
        )

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
        MissingRecordError: when there is none.

    """
    data = envelope.data
    for name in ("data", *names):
        # One reading of the documentation has `data` inside `data`.
        if isinstance(data, dict) and name in data and (isinstance(data[name], dict) or data[name] is None):
            data = data[name]
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if data is None or data in ({}, []):
        raise MissingRecordError(envelope.message or "a reply without a record")
    return data


def _find_rows(envelope: Envelope, names: Sequence[str]) -> tuple[str | None, Sequence[Any] | None]:
    """Return the operation's own array and its name; None where there is none, or several of other names."""
    data = envelope.data
    if isinstance(data, list):
        return None, data
    if isinstance(data, dict):
        inner = data.get("data")
        if isinstance(inner, list):
            return "data", inner
        places = (data, inner) if isinstance(inner, dict) else (data,)
        for place in places:
            for name in names:
                if isinstance(place.get(name), list):
                    return name, place[name]
        arrays = [
            (name, value)
            for place in places
            for name, value in place.items()
            if isinstance(value, list) and name not in _NOT_ROWS
        ]
        if len(arrays) == 1:
            return arrays[0]
    return None, None


def _possible_cursors(envelope: Envelope, known: set[str | None]) -> Iterator[str]:
    """Yield the names of fields that may hold a cursor under another name."""
    for place in _objects(envelope.data, envelope.raw):
        for name, value in place.items():
            if name in known or isinstance(value, list | dict) or value in (None, "", False, 0):
                continue
            if _CURSOR_LIKE.search(name) and not _SIZES.search(name):
                yield name


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
