"""Maps a request's outcome to an error of the tree, or to none."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from inveterate._call import Call
from inveterate._errors import (
    AmbiguousWriteError,
    BadKeyError,
    BadRequestError,
    ConflictError,
    ConnectionFailedError,
    InveterateError,
    NotFoundError,
    RateLimitError,
    ServerError,
    StatusError,
    TimedOutError,
)
from inveterate._json import read_json
from inveterate._steps import HttpReply, SendFailure, SendOutcome

_OK: Final = range(200, 300)
_REFUSALS: Final = range(400, 500)
_INDEFINITE: Final = frozenset({408, 499})
"""4xx that a gateway sends when it stopped waiting: they do not say whether a write was done."""

_BY_STATUS: Final[dict[int, type[StatusError]]] = {
    401: BadKeyError,
    403: BadKeyError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    429: RateLimitError,
}


def error_for(call: Call[Any], outcome: SendOutcome) -> InveterateError | None:
    """Return the error for an outcome, ready to be raised; None for a 2xx.

    The error of a write is definite only where nothing was sent or the platform refused with a 4xx.
    """
    if isinstance(outcome, SendFailure):
        error: InveterateError = _failed(call, outcome)
        definite = not outcome.sent
    elif outcome.status in _OK and not _is_refusal(outcome):
        return None
    else:
        error = _refused(call, outcome)
        definite = outcome.status in _REFUSALS and outcome.status not in _INDEFINITE
    if call.retryable or definite:
        return error
    return _ambiguous(call, error)


def _failed(call: Call[Any], failure: SendFailure) -> ConnectionFailedError:
    kind = TimedOutError if failure.timed_out else ConnectionFailedError
    # Only the name of the cause: its text may quote an address with a query, or a header.
    error = kind(type(failure.cause).__name__, method=call.method, path=call.path)
    error.__cause__ = failure.cause
    return error


def _refused(call: Call[Any], reply: HttpReply) -> StatusError:
    message = reply.redacted(_message_of(reply.content))
    kind = _BY_STATUS.get(reply.status, ServerError if reply.status >= 500 else BadRequestError)  # noqa: PLR2004 - HTTP's own
    if reply.status in range(300, 400) or (reply.status in _OK):
        kind = StatusError if reply.status not in _OK else BadRequestError
    if kind is BadRequestError and _mentions_key(message):
        kind = BadKeyError
    error = kind(
        message, method=call.method, path=call.path, status=reply.status, request_id=reply.request_id
    )
    if isinstance(error, RateLimitError):
        error.retry_after = retry_after(reply)
    return error


def _ambiguous(call: Call[Any], cause: InveterateError) -> AmbiguousWriteError:
    error = AmbiguousWriteError(
        cause.message or "no answer",
        method=call.method,
        path=call.path,
        status=cause.status,
        request_id=cause.request_id,
    )
    error.__cause__ = cause
    return error


def _is_refusal(reply: HttpReply) -> bool:
    """Return whether a 2xx is a refusal: v1's refusals have no documented status.

    They are `success: false`, or for a bad key a lone message, which would otherwise read as an empty list.
    """
    if b'"success"' not in reply.content and b'"data"' in reply.content:
        return False
    body = _json_or_none(reply.content)
    if not isinstance(body, dict):
        return False
    return body.get("success") is False or (
        body.keys() == {"message"} and _mentions_key(_message_of(reply.content))
    )


def _mentions_key(message: str) -> bool:
    # The one place where a message decides: the platform documents 400 for a bad key ("Check your API
    # key"), and v1 has two bodies for it, "Unauthorized" and "Invalid API key".
    text = message.lower()
    return "unauthorized" in text or "api key" in text or "api-key" in text


def _message_of(content: bytes) -> str:
    """Return the platform's message, and nothing else of the body: an HTML page has none."""
    body = _json_or_none(content)
    if not isinstance(body, dict):
        return ""
    if isinstance(message := body.get("message"), str):
        return message
    if isinstance(message, list):  # a framework's list of problems, one for each field
        return "; ".join(part for part in message if isinstance(part, str))
    errors = body.get("errors")
    if isinstance(errors, list):
        return "; ".join(part for part in errors if isinstance(part, str))
    return ""


def _json_or_none(content: bytes) -> object:
    try:
        return read_json(content)
    except ValueError:
        return None


def retry_after(reply: HttpReply) -> float | None:
    """Return `Retry-After` in seconds, from a number or a date (relative to the reply's own `Date`)."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004 - more digits are centuries
        return float(text)
    until, now = http_date(text), http_date(reply.headers.get("date", ""))
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """Return an HTTP date, aware; None where the text is not one."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
