"""Reads the bytes of a webhook: the delivery in them, however its sender wrapped it, with bounded work and memory.

A delivery is JSON with `payload` and `metadata`. Read as well: JSON in any encoding that JSON knows, with or without
a byte order mark; gzip and deflate; a list of one delivery; JSON as a text within JSON; a form of either kind. The receiver and the
SDK read with this module, so that both see the same delivery. Standard library only.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

LARGEST_BODY: Final = 900 * 1024
"""Bytes, as sent and as unpacked."""

DEEPEST: Final = 64
"""Levels of nesting; documented events have five."""

MOST_ITEMS: Final = 1_000
"""Elements of one list: what stands behind them is left out, so that a vast list costs its own field and not the event."""

MOST_VALUES: Final = 20_000
"""Objects, lists, texts, numbers and so on in one body: the longest order has some thousand. Without this bound the
shortest values make a body of 900 KiB take 100 times its size in memory."""

_WRAPPINGS: Final = 3
_MOST_FIELDS: Final = 200
_MOST_MEMBERS: Final = 20
"""Members of one gzip body: each costs a copy of what follows it."""

_FORM: Final = r"(?a:[\w.%+\-\[\]]{1,100}=)"
_BOUNDARY: Final = r"(?a:--[\w'()+,./:=?-]{1,70}(?=\r?\n))"
_NAMED: Final = r"""(?ai:content-disposition:[^"]{0,100}?[ ;]name=(?:"([^"]{1,100})"|([^\s";]{1,100})))"""
_GZIP: Final = b"\x1f\x8b"
_JSON_BEGINS: Final = b' \t\r\n{["'


class UnreadableBodyError(ValueError):
    """The body holds no JSON that can be read. `reason`: `not_json`, `too_deep`, `too_large` or `too_many_values`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_body(body: bytes | str) -> Any:
    """Return the delivery in a body, or whatever JSON stands in its place; numbers with a fraction are `Decimal`.

    Raises:
        UnreadableBodyError: with the reason; it holds no value of the body.

    """
    if isinstance(body, str):
        return _unwrapped(_parsed(body))
    if body.startswith(_GZIP):
        return _read_text(_unpacked(body, zlib.MAX_WBITS | 16))
    try:
        return _read_text(body)
    except UnreadableBodyError as error:
        if error.reason != "not_json" or not body or body[0] in _JSON_BEGINS:
            raise
    # Two bytes before zlib's data and none before deflate's are no mark: letters of a form can be the same.
    try:
        content = _unpacked(body, zlib.MAX_WBITS)
    except UnreadableBodyError as error:
        if error.reason != "not_json":
            raise
        content = _unpacked(body, -zlib.MAX_WBITS)
    return _read_text(content)


def _unpacked(body: bytes, window: int) -> bytes:
    """Decompress at most `LARGEST_BODY` bytes: a small body can hold a thousand times its size.

    gzip allows several members, one after the other, and zeros behind the last. Any other data behind the end is a part of
    the body that would be lost: such a body is not read at all.
    """
    content, rest = b"", body
    for _ in range(_MOST_MEMBERS):
        unpacker = zlib.decompressobj(window)
        try:
            content += unpacker.decompress(rest, LARGEST_BODY + 1 - len(content))
        except zlib.error:
            raise UnreadableBodyError("not_json") from None
        if not unpacker.eof and len(content) <= LARGEST_BODY:
            raise UnreadableBodyError("not_json")
        if len(content) > LARGEST_BODY:
            raise UnreadableBodyError("too_large")
        rest = unpacker.unused_data.lstrip(b"\0")
        if not rest:
            return content
        if not rest.startswith(_GZIP):
            break
    raise UnreadableBodyError("not_json")


def _read_text(body: bytes) -> Any:
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeError:
        raise UnreadableBodyError("not_json") from None
    return _unwrapped(_parsed(text))


def _parsed(text: str) -> Any:
    text = text.lstrip("\ufeff")
    try:
        return parse_json(text)
    except UnreadableBodyError as error:
        if error.reason != "not_json":
            raise
        if boundary := re.match(_BOUNDARY, text):
            return _form_object(_parts(text, boundary[0]))
        if not re.match(_FORM, text):
            raise
    return _form_object(_pairs(text))


def parse_json(text: str) -> Any:
    """Return what JSON makes of a text, as it stands: bounded, without a key twice, fractions as `Decimal`.

    Raises:
        UnreadableBodyError: with the reason.

    """
    try:
        content = json.loads(
            text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_with_unique_keys
        )
    except RecursionError:
        raise UnreadableBodyError("too_deep") from None
    except (ValueError, InvalidOperation):  # the latter for an exponent beyond what a decimal can hold
        raise UnreadableBodyError("not_json") from None
    _check_bounds(content)
    return content


def _with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a key twice: readers disagree on which of the values counts."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key twice")
    return content


def _refuse_constant(_: str) -> object:
    raise ValueError("NaN and Infinity are no JSON")


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    """Return the names and values of a form as an address writes them."""
    from urllib.parse import parse_qsl

    try:
        return parse_qsl(text.strip(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise UnreadableBodyError("not_json") from None


def _parts(text: str, boundary: str) -> Iterable[tuple[str, str]]:
    """Return the names and values of a form as `multipart/form-data` writes them, each after its boundary."""
    _, *parts = text.split(boundary, _MOST_FIELDS + 1)
    if len(parts) > _MOST_FIELDS:
        raise UnreadableBodyError("not_json")
    if not parts or parts.pop().strip() != "--":
        raise UnreadableBodyError("not_json")
    fields = []
    for part in parts:
        # Each step takes one pass: a part is as long as its sender likes.
        lines = part.replace("\r\n", "\n").removeprefix("\n")
        head, _, value = lines.partition("\n\n")
        if not (named := re.search(_NAMED, head)):
            raise UnreadableBodyError("not_json")
        fields.append((named[1] or named[2], value.removesuffix("\n")))
    return fields


def _form_object(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the fields of a form; `metadata[topic]=…` is a field of an object."""
    content: dict[str, Any] = {}
    for name, value in fields:
        first, *rest = name.replace("]", "").split("[")
        part = content
        for step in (first, *rest)[: len(rest)]:
            part = part.setdefault(step, {})
            if not isinstance(part, dict):
                raise UnreadableBodyError("not_json")
        last = rest[-1] if rest else first
        if last in part:
            raise UnreadableBodyError("not_json")
        part[last] = value
    _check_bounds(content)
    return content


def _unwrapped(content: Any) -> Any:
    """Return the delivery within a list of one, within a text, or in the one field of an object or a form that has one."""
    for _ in range(_WRAPPINGS):
        if isinstance(content, list) and len(content) == 1:
            content = content[0]
        elif isinstance(content, str):
            inner = _object_in(content)
            if inner == content:
                break
            content = inner
        elif isinstance(content, dict) and not _is_envelope(content):
            inner = _only_delivery_in(content)
            if inner is None:
                break
            content = inner
        else:
            break
    if isinstance(content, dict):
        texts = [name for name in ("payload", "metadata") if isinstance(content.get(name), str)]
        if texts:
            content = {**content, **{name: _object_in(content[name]) for name in texts}}
    # Each text was bounded by itself; what they are together is bounded here.
    _check_bounds(content)
    return content


def _only_delivery_in(content: dict[str, Any]) -> dict[str, Any] | None:
    """Return the delivery that one of the fields holds, also as a text or in a list of one; None where none or several do.

    What stands beside it stays with it: a token, or a word that it is a test.
    """
    if content.keys() >= {"metadata", "payload"}:
        return None
    found: dict[str, dict[str, Any]] = {}
    for name, value in content.items():
        part = _object_in(value)
        if isinstance(part, list) and len(part) == 1:
            (part,) = part
        if _is_envelope(part):
            found[name] = part
    if len(found) != 1:
        return None
    ((holder, delivery),) = found.items()
    return {**{name: value for name, value in content.items() if name != holder}, **delivery}


def _is_envelope(content: object) -> bool:
    return isinstance(content, dict) and isinstance(content.get("metadata"), dict)


def _object_in(content: Any) -> Any:
    """Return the object or the list in a text of JSON, also in a text within a text; anything else as it is."""
    for _ in range(_WRAPPINGS):
        if not isinstance(content, str):
            break
        try:
            inner = parse_json(content.lstrip("\ufeff"))
        except UnreadableBodyError as error:
            if error.reason != "not_json":
                raise
            break
        if not isinstance(inner, dict | list | str):
            break
        content = inner
    return content


def _check_bounds(content: object) -> None:
    """Walk level by level: recursion would fail on the very bodies that this refuses.

    A list is cut to one element more than is read, so that its reader still sees that it was too long.
    """
    level: list[object] = [content]
    count = 1
    for _ in range(DEEPEST):
        level = [child for parent in level for child in _children(parent)]
        count += len(level)
        if count > MOST_VALUES:
            raise UnreadableBodyError("too_many_values")
        if not level:
            return
    raise UnreadableBodyError("too_deep")


def _children(parent: object) -> Iterable[object]:
    if isinstance(parent, dict):
        return parent.values()
    if not isinstance(parent, list):
        return ()
    del parent[MOST_ITEMS + 1 :]
    return parent
