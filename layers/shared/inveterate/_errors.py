"""Errors of the SDK, as one tree of exceptions.

    InveterateError
    ├── ConnectionFailedError       no reply; a write was certainly never sent
    │   └── TimedOutError           no reply in time
    ├── StatusError                 a reply that refuses
    │   ├── BadRequestError         400, 422 and other 4xx: the request is wrong, nothing was done
    │   ├── BadKeyError             401, 403, or a 400 where a read of the merchant is refused as well
    │   ├── NotFoundError           404, 410, or a 400 or an empty reply to a read by id: it does not exist
    │   ├── ConflictError           409
    │   ├── RateLimitError          429: too many requests
    │   └── ServerError             5xx: the platform failed
    ├── UnreadableReplyError        a 2xx that is not the documented success, or is too large
    │   └── WrongMemberError        a 2xx about another member than the requested one
    ├── AmbiguousWriteError         a write that may or may not be done: read before you repeat it
    ├── RefusedLocallyError         not sent, because it would wipe or downgrade something
    ├── ClientClosedError           not sent, because the client is closed
    └── WrongSettingError           a setting of a client that cannot be right

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
    """The platform replied with a refusal.

    `retry_after` is the reply's `Retry-After` in seconds (429 and 503); None without a usable one.
    """

    retry_after: float | None = None


class BadRequestError(StatusError):
    """400, 422 and other 4xx: the parameters, the body or an id are wrong. Nothing was done."""


class BadKeyError(StatusError):
    """401, 403, or a 400 where a read of the merchant is refused as well: the key is wrong."""


class NotFoundError(StatusError):
    """The id does not exist.

    The platform documents no reply to an unknown id. It is a 404, a 410, a 400 to a read that has no other
    parameter, or a 2xx without the record. It is raised for a read only after the merchant was read with
    the same key: with a key that was revoked, every member looks missing.
    """


class ConflictError(StatusError):
    """409: the request contradicts the present state."""


class RateLimitError(StatusError):
    """429: too many requests."""


class ServerError(StatusError):
    """5xx: the platform failed. Only a read has this error; a write has an `AmbiguousWriteError`."""


class UnreadableReplyError(InveterateError):
    """A 2xx that is not the documented success: not JSON, without `data`, of another shape, or too large."""


class WrongMemberError(UnreadableReplyError):
    """A 2xx about another member than the requested one. Nothing of it is returned."""


class AmbiguousWriteError(InveterateError):
    """The write may be done, wholly, in part or not at all; the cause is `__cause__`.

    The platform documents that a 500 may be half done, and takes no idempotency key: never repeat
    such a call blindly.
    """


class RefusedLocallyError(InveterateError):
    """Nothing was sent: the write would wipe or downgrade something. `fields` names the fields at stake."""

    fields: tuple[str, ...] = ()


class ClientClosedError(InveterateError):
    """Nothing was sent: the client is closed."""


class WrongSettingError(InveterateError, ValueError):
    """A setting of a client or of `Retries` cannot be right. The text names the setting, never its value."""
