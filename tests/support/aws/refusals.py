"""Refusals as AWS sends them: code, status, and the fields besides."""

from __future__ import annotations

from typing import Any

from relay.adapters.aws.client import RefusedCallError


def refused(code: str, status: int = 400, **fields: Any) -> RefusedCallError:
    """Return the error that a caller of AWS gets."""
    return RefusedCallError(code, status, fields)


def invalid(why: str) -> RefusedCallError:
    """Return a `ValidationException`; `why` is for whoever debugs a test, AWS's own words differ."""
    return RefusedCallError("ValidationException", 400, {"message": why})
