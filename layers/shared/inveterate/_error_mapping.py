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
    UnreadableReplyError,
)
from inveterate._json import read_json
from inveterate._steps import HttpReply, SendFailure, SendOutcome

_OK: Final = range(200, 300)
_SUCCESS: Final = frozenset({200, 201})
"""The documented successes: 200 is done, 201 is forwarded."""
_DELETED: Final = 204
_REDIRECTS: Final = range(300, 400)
_REFUSALS: Final = range(400, 500)
_SERVER_ERROR: Final = 500
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
    """Return the error for an outcome, ready to be raised; None for a success whose body is still to be read.

    The error of a write is definite only where nothing was sent or the platform refused with a 4xx.
    """
    if isinstance(outcome, SendFailure):
        error = _failed(call, outcome)
        definite = not outcome.sent
    elif outcome.status in _SUCCESS or (outcome.status == _DELETED and call.method == "DELETE"):
        return None
    elif outcome.status in _OK:
        error = error_of(UnreadableReplyError, "not a documented status", call, outcome)
        definite = False
    else:
        error = _refused(call, outcome)
        definite = outcome.status in _REFUSALS and outcome.status not in _INDEFINITE
    return error if call.retryable or definite else ambiguous(error)


def error_of(kind: type[InveterateError], message: str, call: Call[Any], reply: HttpReply) -> InveterateError:
    """Return an error of this kind about a reply to a call."""
    return kind(
        reply.redacted(message),
        method=call.method,
        path=call.path,
        status=reply.status,
        request_id=reply.request_id,
    )


def replaced(error: InveterateError, kind: type[InveterateError]) -> InveterateError:
    """Return the same error as another kind of error."""
    return kind(
        error.message,
        method=error.method,
        path=error.path,
        status=error.status,
        request_id=error.request_id,
    )


def ambiguous(cause: InveterateError) -> AmbiguousWriteError:
    """Return the error of a write that may be done."""
    error = AmbiguousWriteError(
        cause.message or "no reply",
        method=cause.method,
        path=cause.path,
        status=cause.status,
        request_id=cause.request_id,
    )
    error.__cause__ = cause
    return error


def message_of(content: bytes) -> str:
    """Return the platform's message, and nothing else of the body: an HTML page has none."""
    try:
        body = read_json(content)
    except ValueError:
        return ""
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


def _failed(call: Call[Any], failure: SendFailure) -> InveterateError:
    kind: type[InveterateError] = TimedOutError if failure.timed_out else ConnectionFailedError
    # Only the name of the cause: its text may quote an address with a query, or a header.
    message = type(failure.cause).__name__
    if failure.too_large:
        kind, message = UnreadableReplyError, str(failure.cause)
    error = kind(message, method=call.method, path=call.path)
    error.__cause__ = failure.cause
    return error


def _refused(call: Call[Any], reply: HttpReply) -> StatusError:
    kind = _BY_STATUS.get(reply.status, ServerError if reply.status >= _SERVER_ERROR else BadRequestError)
    if reply.status in _REDIRECTS:
        kind = StatusError
    error = error_of(kind, message_of(reply.content), call, reply)
    if not isinstance(error, StatusError):
        raise TypeError("a refusal is a StatusError")
    error.retry_after = retry_after(reply)
    return error


def retry_after(reply: HttpReply) -> float | None:
    """Return `Retry-After` in seconds, from a number or a date.

    A date is relative to the reply's own `Date`, which has no clock skew, else to the time of receipt.
    """
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004 - more digits are centuries
        return float(text)
    until, now = http_date(text), http_date(reply.headers.get("date", "")) or reply.received_at
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
