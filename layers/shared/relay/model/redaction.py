"""Removes secrets from what is kept: values by the names of their keys, also in JSON that is a text within JSON.

No list has all the names that a sender may use, so a name counts by how it ends: `cancelToken`, `access_token`,
`X-Api-Key`, `clientSecret`, `Authorization`. A name may also stand beside its value (`{"name": …, "value": …}`), or before it
in the query of an address.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import unquote

from inveterate.webhooks.body import UnreadableBodyError, parse_json

_WORDS: Final = (
    "token", "secret", "password", "key", "passwd", "pwd", "passphrase", "authorization", "auth", "bearer", "credential",
    "cookie", "signature", "hmac", "jwt",
)  # fmt: skip
_ENDINGS: Final = (*_WORDS, *(f"{word}s" for word in _WORDS), "hmacsha")
_NAMES: Final = frozenset({"name", "key", "header", "field"})
_IN_A_QUERY: Final = re.compile(r"(?a:(?<![\w.%\[\]-])([\w.%\[\]-]{1,100})=[^&;#\s]+)")
_LONGEST_NAME: Final = 100
_NAME_ENDS: Final = re.compile(r"""["']\s*(?::|=>)""")
_ESCAPED: Final = re.compile(r"(?a:\\u([0-9a-fA-F]{4}))")
_JSON_BEGINS: Final = ("{", "[", '"')


_MOST_TEXTS: Final = 3
"""Texts of JSON within each other that are read; each adds as many levels as a body may have, and recursion has an end."""


def without_secrets(body: object, texts: int = 0) -> object:
    """Return JSON without the secrets that it may carry, at any depth; `texts` is how many texts of JSON are around it."""
    if isinstance(body, Mapping):
        named = any(
            name.lower() in _NAMES and isinstance(value, str) and is_secret(value)
            for name, value in body.items()
        )
        kept = {name: value for name, value in body.items() if not (named and name.lower() == "value")}
        return {
            name: without_secrets(value, texts) for name, value in kept.items() if not is_secret(str(name))
        }
    if isinstance(body, list):
        return [without_secrets(value, texts) for value in body]
    return _text_without_secrets(body, texts) if isinstance(body, str) else body


def is_secret(name: str) -> bool:
    """Return whether the letters of a key, in lower case, end like the name of a secret."""
    plain = name if name.isascii() else unicodedata.normalize("NFKD", name)
    return "".join(filter(str.isalpha, plain)).lower().endswith(_ENDINGS)


def _text_without_secrets(text: str, texts: int) -> str:
    """Return a text; JSON within it is redacted, and what holds a secret and cannot be read as JSON is not kept."""
    if not _may_hold_a_secret(text):
        return text
    if not text.lstrip("\ufeff \t\r\n").startswith(_JSON_BEGINS):
        if any(map(is_secret, {_name_before(text, found.start()) for found in _NAME_ENDS.finditer(text)})):
            return _unreadable(text)
        return _IN_A_QUERY.sub(_redacted_parameter, text)
    if texts >= _MOST_TEXTS:
        return _unreadable(text)
    try:
        inner = parse_json(text.lstrip("\ufeff"))
    except UnreadableBodyError:
        return _unreadable(text)
    redacted = without_secrets(inner, texts + 1)
    return text if redacted == inner else json.dumps(redacted, ensure_ascii=False, default=json_number)


def _name_before(text: str, end: int) -> str:
    """Return the name that a quote at `end` closes, without JSON's escapes."""
    start = max(0, end - _LONGEST_NAME)
    name = text[max(start, text.rfind('"', start, end) + 1, text.rfind("'", start, end) + 1) : end]
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name) if "\\u" in name else name


def _redacted_parameter(found: re.Match[str]) -> str:
    return f"{found[1]}=(removed)" if is_secret(unquote(found[1])) else found[0]


def _unreadable(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"(not readable: {len(text)} characters, SHA-256 {digest})"


def _may_hold_a_secret(text: str) -> bool:
    """Return whether one of the words is in it; JSON can spell each letter as an escape, an address too."""
    return "\\u" in text or "%" in text or any(word in text.lower() for word in _WORDS)


def json_number(value: object) -> float | str:
    """Return what JSON writes for a `Decimal`: the number where a float holds it exactly, else its digits as text."""
    if isinstance(value, Decimal):
        return float(value) if value == Decimal(str(float(value))) else str(value)
    raise TypeError(type(value).__name__)
