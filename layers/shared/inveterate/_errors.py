"""What can go wrong between you and the platform, as one tree of exceptions.

    InveterateError
    ├── ConnectionFailedError       no answer; of a write: it was certainly never sent
    │   └── TimedOutError           no answer in time
    ├── StatusError                 an answer that says no
    │   ├── BadRequestError         400, 422 and other 4xx: the request is wrong, nothing was done
    │   ├── BadKeyError             401, 403, or a 400 that speaks of the key
    │   ├── NotFoundError           404, 410: there is no such thing
    │   ├── ConflictError           409
    │   ├── RateLimitError          429: too many requests; `retry_after` in seconds where it was told
    │   └── ServerError             5xx: the platform failed
    ├── UnreadableReplyError        a 2xx that is not what the documentation promises
    │   └── NoRecordError           … because it holds no record at all
    ├── AmbiguousWriteError         a write that may or may not have been done: read before you repeat
    └── RefusedHereError            this package did not send it, because of what it would destroy

Every one of them tells method, path, status, message and request id where they exist. None holds the
key, a request's body or query, or a reply's body.
"""

from __future__ import annotations

from typing import Final

_LONGEST_MESSAGE: Final = 300


class InveterateError(Exception):
    """Anything that went wrong with a call.

    `path` has its ids filled in and no query. `status` is None when there was no answer. `message` is
    the platform's sentence (or ours), cut to 300 characters, with the key taken out.
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
        self.message = message[:_LONGEST_MESSAGE]
        self.method = method
        self.path = path
        self.status = status
        self.request_id = request_id
        super().__init__(self.message)

    def __str__(self) -> str:
        where = f"{self.method} {self.path}".strip()
        status = "" if self.status is None else str(self.status)
        name = f"(request {self.request_id})" if self.request_id else ""
        told = " ".join(part for part in (status, self.message, name) if part)
        return ": ".join(part for part in (where, told) if part)

    def __reduce__(self) -> tuple[object, ...]:
        return _revive, (type(self), self.args, dict(self.__dict__))


def _revive(kind: type[InveterateError], args: tuple[str], state: dict[str, object]) -> InveterateError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConnectionFailedError(InveterateError):
    """There was no answer. A read may be repeated; a write that ends so was never sent."""


class TimedOutError(ConnectionFailedError):
    """There was no answer within the time allowed."""


class StatusError(InveterateError):
    """The platform answered, and the answer is no."""


class BadRequestError(StatusError):
    """400 and other 4xx: malformed key, id or body. In general nothing was done."""


class BadKeyError(StatusError):
    """401, 403, or a 400 that speaks of the key: the key is wrong or may not do this."""


class NotFoundError(StatusError):
    """404 or 410: there is no such thing."""


class ConflictError(StatusError):
    """409: it contradicts what is there."""


class RateLimitError(StatusError):
    """429: too many requests. `retry_after` is in seconds; None where the platform told nothing usable."""

    retry_after: float | None = None


class ServerError(StatusError):
    """5xx: the platform failed. Of a read; a write that ends so is an `AmbiguousWriteError`."""


class UnreadableReplyError(InveterateError):
    """A 2xx whose body is not JSON, or not of a shape that can be read."""


class NoRecordError(UnreadableReplyError):
    """A 2xx without the record that was asked for. What the platform says of unknown ids is undocumented."""


class AmbiguousWriteError(InveterateError):
    """The write may have been done, wholly, in part or not at all; the cause is `__cause__`.

    The platform documents that a 500 may be half done, and takes no idempotency key: never repeat
    such a call blindly.
    """


class RefusedHereError(InveterateError):
    """Nothing was sent: it would have wiped or downgraded something. `fields` names what is at stake."""

    fields: tuple[str, ...] = ()
