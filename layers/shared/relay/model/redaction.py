"""Removes secrets from what is kept: values by the names of their keys, also in JSON that is a text within JSON.

No list has all the names that a sender may use, so a name counts by how it ends: `cancelToken`, `access_token`,
`X-Api-Key`, `clientSecret`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from inveterate.webhooks.body import UnreadableBodyError, parse_json

_ENDINGS: Final = ("token", "secret", "password", "key", "tokens", "secrets", "passwords", "keys")
_WORDS: Final = ("token", "secret", "password", "key")
_JSON_BEGINS: Final = ("{", "[", '"')


def without_secrets(body: object) -> object:
    """Return JSON without the secrets that it may carry, at any depth."""
    if isinstance(body, Mapping):
        return {name: without_secrets(value) for name, value in body.items() if not is_secret(str(name))}
    if isinstance(body, list):
        return [without_secrets(value) for value in body]
    return _text_without_secrets(body) if isinstance(body, str) else body


def is_secret(name: str) -> bool:
    """Return whether the letters of a key, in lower case, end like the name of a secret."""
    return "".join(filter(str.isalpha, name)).lower().endswith(_ENDINGS)


def _text_without_secrets(text: str) -> str:
    """Return a text; JSON within it is redacted, and what only begins like JSON and may name a secret is not kept."""
    if not text.lstrip("\ufeff \t\r\n").startswith(_JSON_BEGINS) or not _may_hold_a_secret(text):
        return text
    try:
        inner = parse_json(text.lstrip("\ufeff"))
    except UnreadableBodyError:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"(not readable: {len(text)} characters, SHA-256 {digest})"
    redacted = without_secrets(inner)
    return text if redacted == inner else json.dumps(redacted, ensure_ascii=False, default=json_number)


def _may_hold_a_secret(text: str) -> bool:
    """Return whether one of the words is in it; JSON can spell each letter as an escape."""
    return "\\u" in text or any(word in text.lower() for word in _WORDS)


def json_number(value: object) -> float | str:
    """Return what JSON writes for a `Decimal`: the number where a float holds it exactly, else its digits as text."""
    if isinstance(value, Decimal):
        return float(value) if value == Decimal(str(float(value))) else str(value)
    raise TypeError(type(value).__name__)
