"""What an answer means: which branch of the error tree, if any."""

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
from inveterate._steps import Answer, Failure, Reply

_OK: Final = range(200, 300)
_REFUSALS: Final = range(400, 500)
_UNDECIDED: Final = frozenset({408, 499})
"""4xx that a gateway sends when it gave up waiting: of a write they say nothing."""

_BY_STATUS: Final[dict[int, type[StatusError]]] = {
    401: BadKeyError,
    403: BadKeyError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    429: RateLimitError,
}


def error_for(call: Call[Any], answer: Answer) -> InveterateError | None:
    """Return the error that the answer amounts to, ready to be raised; None for a 2xx.

    A write's error is definite only where nothing was sent or the platform refused with a 4xx.
    """
    if isinstance(answer, Failure):
        error: InveterateError = _failed(call, answer)
        definite = not answer.sent
    elif answer.status in _OK and not _says_no(answer):
        return None
    else:
        error = _refused(call, answer)
        definite = answer.status in _REFUSALS and answer.status not in _UNDECIDED
    if call.retryable or definite:
        return error
    return _ambiguous(call, error)


def _failed(call: Call[Any], failure: Failure) -> ConnectionFailedError:
    kind = TimedOutError if failure.timed_out else ConnectionFailedError
    # The name of the cause only: its text may quote an address with a query, or a header.
    error = kind(type(failure.cause).__name__, method=call.method, path=call.path)
    error.__cause__ = failure.cause
    return error


def _refused(call: Call[Any], reply: Reply) -> StatusError:
    message = reply.hushed(_sentence(reply.content))
    kind = _BY_STATUS.get(reply.status, ServerError if reply.status >= 500 else BadRequestError)  # noqa: PLR2004 - HTTP's own
    if reply.status in range(300, 400) or (reply.status in _OK):
        kind = StatusError if reply.status not in _OK else BadRequestError
    if kind is BadRequestError and _speaks_of_the_key(message):
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


def _says_no(reply: Reply) -> bool:
    """Tell whether a 2xx is a refusal: v1's refusals have no documented status.

    They are `success: false`, or for a bad key a lone message, which would otherwise pass for an empty list.
    """
    if b'"success"' not in reply.content and b'"data"' in reply.content:
        return False
    said = _json_of(reply.content)
    if not isinstance(said, dict):
        return False
    return said.get("success") is False or (
        said.keys() == {"message"} and _speaks_of_the_key(_sentence(reply.content))
    )


def _speaks_of_the_key(message: str) -> bool:
    # The one place where a message decides: the platform documents 400 for a bad key ("Check your API
    # key"), and v1 has two bodies for it, "Unauthorized" and "Invalid API key".
    text = message.lower()
    return "unauthorized" in text or "api key" in text or "api-key" in text


def _sentence(content: bytes) -> str:
    """Return the platform's sentence, and never anything else of the body: an HTML page has none."""
    said = _json_of(content)
    if not isinstance(said, dict):
        return ""
    if isinstance(message := said.get("message"), str):
        return message
    if isinstance(message, list):  # a framework's list of what is wrong with each field
        return "; ".join(part for part in message if isinstance(part, str))
    errors = said.get("errors")
    if isinstance(errors, list):
        return "; ".join(part for part in errors if isinstance(part, str))
    return ""


def _json_of(content: bytes) -> object:
    try:
        return read_json(content)
    except ValueError:
        return None


def retry_after(reply: Reply) -> float | None:
    """Return `Retry-After` in seconds, from a number or a date (against the reply's own `Date`)."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004 - more digits are centuries
        return float(text)
    until, now = http_date(text), http_date(reply.headers.get("date", ""))
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """Read a moment as HTTP writes it; None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
