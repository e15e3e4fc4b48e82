"""Reads a request of the HTTP API (payload format 2.0). Standard library only: functions that answer requests start cold."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


def request_body(event: Mapping[str, Any]) -> bytes:
    """Return the body as it was sent; one that claims to be base64 and is not stays as it came."""
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        with suppress(ValueError):
            return base64.b64decode("".join(body.split()), validate=True)
    return body.encode("utf-8", "surrogatepass")


def request_header(event: Mapping[str, Any], name: str) -> str:
    """Return a header, whatever the case of its name; an empty text where it is missing."""
    headers: Mapping[str, str] = event.get("headers") or {}
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "") or ""
