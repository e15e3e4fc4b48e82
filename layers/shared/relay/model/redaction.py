"""Removes secrets from what is kept: values by the names of their keys, also in JSON that is a text within JSON.

No list has all the names that a sender may use, so a name counts by how it ends: `cancelToken`, `access_token`,
`X-Api-Key`, `clientSecret`, `Authorization`. A name may also stand beside its value (`{"name": …, "value": …}`), or before it
in the query of an address.
"""

from __future__ import annotations

import hashlib
import json
import re
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
_IN_A_QUERY: Final = re.compile(r"(?a:(?:(?<=[?&;#])|^)([\w.%\[\]-]{1,100})=[^&;#\s]+)")
_LONGEST_NAME: Final = 100
_QUOTE_AND_COLON: Final = re.compile(r"""["']\s{0,8}:""")
_JSON_BEGINS: Final = ("{", "[", '"')


def without_secrets(body: object) -> object:
    """Return JSON without the secrets that it may carry, at any depth."""
    if isinstance(body, Mapping):
        named = any(
            name in _NAMES and isinstance(value, str) and is_secret(value) for name, value in body.items()
        )
        kept = {name: value for name, value in body.items() if not (named and name == "value")}
        return {name: without_secrets(value) for name, value in kept.items() if not is_secret(str(name))}
    if isinstance(body, list):
        return [without_secrets(value) for value in body]
    return _text_without_secrets(body) if isinstance(body, str) else body


def is_secret(name: str) -> bool:
    """Return whether the letters of a key, in lower case, end like the name of a secret."""
    return "".join(filter(str.isalpha, name)).lower().endswith(_ENDINGS)


def _text_without_secrets(text: str) -> str:
    """Return a text; JSON within it is redacted, and what holds a secret and cannot be read as JSON is not kept."""
    if not _may_hold_a_secret(text):
        return text
    if not text.lstrip("\ufeff \t\r\n").startswith(_JSON_BEGINS):
        ends = (found.start() for found in _QUOTE_AND_COLON.finditer(text))
        if any(is_secret(text[max(0, end - _LONGEST_NAME) : end]) for end in ends):
            return _unreadable(text)
        return _IN_A_QUERY.sub(_redacted_parameter, text)
    try:
        inner = parse_json(text.lstrip("\ufeff"))
    except UnreadableBodyError:
        return _unreadable(text)
    redacted = without_secrets(inner)
    return text if redacted == inner else json.dumps(redacted, ensure_ascii=False, default=json_number)


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
