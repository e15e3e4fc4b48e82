"""Retries: a read is repeated while that can help and time is left; a write only if it was never sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from inveterate._call import Call, T
from inveterate._error_mapping import error_for
from inveterate._errors import (
    AmbiguousWriteError,
    ConnectionFailedError,
    InveterateError,
    RateLimitError,
    ServerError,
    UnreadableReplyError,
)
from inveterate._replies import envelope_of
from inveterate._steps import HttpReply, Send, SendOutcome, Sleep, Steps

_TRANSIENT: Final = (ConnectionFailedError, RateLimitError, ServerError)


@dataclass(frozen=True, slots=True)
class Retries:
    """Retry policy. All times are in seconds.

    At most `max_attempts` attempts; each delay is random between 0 and `base_delay` · 2ⁿ, at most
    `max_delay` ("full jitter", so that many clients do not return at once; `jitter` returns the random
    factor); no attempt begins after `deadline`. A `Retry-After` of at most `max_retry_after` is added
    to the delay; a longer one is left to the caller, as `RateLimitError.retry_after`.
    """

    max_attempts: int = 4
    base_delay: float = 0.5
    max_delay: float = 8.0
    deadline: float = 60.0
    max_retry_after: float = 30.0
    jitter: Callable[[], float] = random.random

    def delay(self, call: Call[Any], error: InveterateError, attempt: int, spent: float) -> float | None:
        """Return the delay before the next attempt in seconds; None where there is no next attempt."""
        # A write that failed to connect was never sent. A 429 of a write is not repeated: the platform
        # documents none, and one from behind its gateway may come after half of the work.
        safe = call.retryable or isinstance(error, ConnectionFailedError)
        if not safe or not isinstance(error, _TRANSIENT) or attempt >= self.max_attempts:
            return None
        delay: float = self.jitter() * min(self.max_delay, self.base_delay * 2 ** (attempt - 1))
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            if error.retry_after > self.max_retry_after:
                return None
            delay += error.retry_after
        return delay if spent + delay < self.deadline else None


NO_RETRIES: Final = Retries(max_attempts=1)


def request_steps(call: Call[T], retries: Retries) -> Steps[T]:
    """Send one call, again where that is safe and useful, and return its decoded reply.

    Raises:
        InveterateError: see `_errors.py`.

    """
    spent, attempt = 0.0, 1
    while True:
        outcome: SendOutcome = yield Send(call, attempt, None if attempt == 1 else retries.deadline - spent)
        spent += outcome.took
        error = error_for(call, outcome)
        if error is None and isinstance(outcome, HttpReply):
            return _decode(call, outcome)
        if error is None:
            raise TypeError("a failure has an error")
        delay = retries.delay(call, error, attempt, spent)
        if delay is None:
            raise error
        yield Sleep(delay)
        spent += delay
        attempt += 1


def _decode(call: Call[T], reply: HttpReply) -> T:
    """Decode a 2xx. For a write, one that cannot be read proves nothing: a proxy's own page is a 200 as well."""
    try:
        return call.read(envelope_of(reply.content))
    except UnreadableReplyError as error:
        kind, message = type(error), reply.redacted(error.message)
    except RecursionError:
        kind, message = UnreadableReplyError, "nested too deeply"
    place: dict[str, Any] = {
        "method": call.method,
        "path": call.path,
        "status": reply.status,
        "request_id": reply.request_id,
    }
    unreadable = kind(message, **place)
    if call.retryable:
        raise unreadable
    raise AmbiguousWriteError("accepted, with a reply that cannot be read", **place) from unreadable
