"""When to try again: reads, while it may help and there is time; writes only if they were never sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from inveterate._call import Call, T
from inveterate._errors import (
    AmbiguousWriteError,
    ConnectionFailedError,
    InveterateError,
    RateLimitError,
    ServerError,
    UnreadableReplyError,
)
from inveterate._replies import envelope_of
from inveterate._steps import Answer, Conversation, Failure, Send, Sleep
from inveterate._verdicts import error_for

_PASSING: Final = (ConnectionFailedError, RateLimitError, ServerError)


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient to be. All times are in seconds.

    `attempts` in all; pauses are drawn evenly from 0 to `first` · 2ⁿ, at most `longest` ("full jitter",
    so that many clients do not return at once); nothing new is begun after `deadline`. A `Retry-After`
    of up to `longest_asked` is obeyed; a longer one is left to the caller, as `RateLimitError.retry_after`.
    """

    attempts: int = 4
    first: float = 0.5
    longest: float = 8.0
    deadline: float = 60.0
    longest_asked: float = 30.0
    draw: Callable[[], float] = random.random

    def pause(self, call: Call[Any], error: InveterateError, attempt: int, spent: float) -> float | None:
        """Return how long to wait before the next attempt; None where there is to be none."""
        # A write that failed to connect was never sent. A 429 of a write is not repeated: the platform
        # documents none, and one that stems from behind its gateway may come after half of the work.
        safe = call.retryable or isinstance(error, ConnectionFailedError)
        if not safe or not isinstance(error, _PASSING) or attempt >= self.attempts:
            return None
        pause: float = self.draw() * min(self.longest, self.first * 2 ** (attempt - 1))
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            if error.retry_after > self.longest_asked:
                return None
            pause += error.retry_after
        return pause if spent + pause < self.deadline else None


NO_RETRIES: Final = Retries(attempts=1)


def converse(call: Call[T], retries: Retries) -> Conversation[T]:
    """Say one call, again where that is safe and useful, until there is a reply or a reason.

    Raises:
        InveterateError: see `_errors.py`.

    """
    spent, attempt = 0.0, 1
    while True:
        answer: Answer = yield Send(call, attempt, None if attempt == 1 else retries.deadline - spent)
        spent += answer.took
        error = error_for(call, answer)
        if error is None:
            return _understood(call, answer)
        pause = retries.pause(call, error, attempt, spent)
        if pause is None:
            raise error
        yield Sleep(pause)
        spent += pause
        attempt += 1


def _understood(call: Call[T], reply: Answer) -> T:
    """Read a 2xx. Of a write, one that cannot be read proves nothing: a proxy's own page is a 200 as well."""
    if isinstance(reply, Failure):
        raise TypeError("a failure is no reply")
    try:
        return call.read(envelope_of(reply.content))
    except UnreadableReplyError as error:
        kind, message = type(error), reply.hushed(error.message)
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
