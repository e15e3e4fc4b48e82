"""Errors of the SDK, as one tree of exceptions.

    InveterateError
    ├── ConnectionFailedError       no reply; a write was certainly never sent
    │   └── TimedOutError           no reply in time
    ├── StatusError                 a reply that refuses
    │   ├── BadRequestError         400, 422 and other 4xx: the request is wrong, nothing was done
    │   ├── BadKeyError             401, 403, or a 400 that mentions the key
    │   ├── NotFoundError           404, 410: the id does not exist
    │   ├── ConflictError           409
    │   ├── RateLimitError          429: too many requests; `retry_after` in seconds where the platform sent it
    │   └── ServerError             5xx: the platform failed
    ├── UnreadableReplyError        a 2xx that is not of the documented shape
    │   └── NoRecordError           a 2xx without a record
    ├── AmbiguousWriteError         a write that may or may not be done: read before you repeat it
    └── RefusedLocallyError         not sent, because it would wipe or downgrade something

Each has method, path, status, message and request id, where they exist. None holds the key, a request's
body or query, or a reply's body.
"""

from __future__ import annotations

from typing import Final

_MAX_MESSAGE: Final = 300


class InveterateError(Exception):
    """Base of all errors of a call.

    `path` has its ids filled in and no query. `status` is None without a reply. `message` is the
    platform's message (or ours), cut to 300 characters, without the key.
    """

    def __init__(
        self,
        message: str = "",
        *,
        method: str = "",
        path: str = "",
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        self.message = message[:_MAX_MESSAGE]
        self.method = method
        self.path = path
        self.status = status
        self.request_id = request_id
        super().__init__(self.message)

    def __str__(self) -> str:
        request = f"{self.method} {self.path}".strip()
        status = "" if self.status is None else str(self.status)
        request_id = f"(request {self.request_id})" if self.request_id else ""
        reason = " ".join(part for part in (status, self.message, request_id) if part)
        return ": ".join(part for part in (request, reason) if part)

    def __reduce__(self) -> tuple[object, ...]:
        return _unpickle, (type(self), self.args, dict(self.__dict__))


def _unpickle(kind: type[InveterateError], args: tuple[str], state: dict[str, object]) -> InveterateError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConnectionFailedError(InveterateError):
    """There was no reply. A read may be repeated; a write with this error was never sent."""


class TimedOutError(ConnectionFailedError):
    """There was no reply within the timeout."""


class StatusError(InveterateError):
    """The platform replied with a refusal."""


class BadRequestError(StatusError):
    """400, 422 and other 4xx: a malformed key, id or body. Nothing was done."""


class BadKeyError(StatusError):
    """401, 403, or a 400 that mentions the key: the key is wrong or lacks the permission."""


class NotFoundError(StatusError):
    """404 or 410: the id does not exist."""


class ConflictError(StatusError):
    """409: the request contradicts the present state."""


class RateLimitError(StatusError):
    """429: too many requests. `retry_after` is in seconds; None where the platform sent no usable value."""

    retry_after: float | None = None


class ServerError(StatusError):
    """5xx: the platform failed. Only a read has this error; a write has an `AmbiguousWriteError`."""


class UnreadableReplyError(InveterateError):
    """A 2xx whose body is not JSON, or not of the documented shape."""


class NoRecordError(UnreadableReplyError):
    """A 2xx without the requested record. The platform's reply to an unknown id is undocumented."""


class AmbiguousWriteError(InveterateError):
    """The write may be done, wholly, in part or not at all; the cause is `__cause__`.

    The platform documents that a 500 may be half done, and takes no idempotency key: never repeat
    such a call blindly.
    """


class RefusedLocallyError(InveterateError):
    """Nothing was sent: the write would wipe or downgrade something. `fields` names the fields at stake."""

    fields: tuple[str, ...] = ()
