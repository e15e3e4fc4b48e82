"""Retries: a read is repeated while that can help and time is left; a write only if it was never sent."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from inveterate._call import Call, T
from inveterate._decode import decode
from inveterate._error_mapping import error_for
from inveterate._errors import (
    BadRequestError,
    ConnectionFailedError,
    InveterateError,
    RateLimitError,
    ServerError,
    StatusError,
    WrongSettingError,
)
from inveterate._key_check import classify
from inveterate._steps import HttpReply, Progress, Send, SendOutcome, Sleep, Steps

_TRANSIENT: Final = (ConnectionFailedError, RateLimitError, ServerError)


@dataclass(frozen=True, slots=True)
class Retries:
    """Retry policy. All times are in seconds.

    At most `max_attempts` attempts; each delay is random between 0 and `base_delay` · 2ⁿ, at most
    `max_delay` ("full jitter", so that many clients do not return at once; `jitter` returns the random
    factor). `deadline` limits the whole call: all attempts, from the first connection to the last byte,
    and the delays between them. A `Retry-After` (429 and 503) of at most `max_retry_after` is added to
    the delay; a longer one is left to the caller, as `retry_after` of the error.

    Raises:
        WrongSettingError: for a value that cannot be right.

    """

    max_attempts: int = 4
    base_delay: float = 0.5
    max_delay: float = 8.0
    deadline: float = 30.0
    max_retry_after: float = 20.0
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        attempts: object = self.max_attempts
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            raise WrongSettingError("max_attempts is a whole number from 1")
        for name in ("base_delay", "max_delay", "deadline", "max_retry_after"):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise WrongSettingError(f"{name} is a number of seconds, from 0")
        if not 0 < self.deadline < math.inf:
            raise WrongSettingError("deadline is more than 0 seconds, and finite")
        if not callable(self.jitter):
            raise WrongSettingError("jitter is a function")

    def delay(self, call: Call[Any], error: InveterateError, attempt: int, spent: float) -> float | None:
        """Return the delay before the next attempt in seconds; None where there is no next attempt."""
        # A write that failed to connect was never sent. A 429 of a write is not repeated: the platform
        # documents none, and one from behind its gateway may come after half of the work.
        safe = call.retryable or isinstance(error, ConnectionFailedError)
        if not safe or not isinstance(error, _TRANSIENT) or attempt >= self.max_attempts:
            return None
        delay: float = self.jitter() * min(self.max_delay, self.base_delay * 2 ** (attempt - 1))
        if isinstance(error, StatusError) and error.retry_after is not None:
            if error.retry_after > self.max_retry_after:
                return None
            delay += error.retry_after
        return delay if spent + delay < self.deadline else None


NO_RETRIES: Final = Retries(max_attempts=1)


def request_steps(call: Call[T], retries: Retries, progress: Progress | None = None) -> Steps[T]:
    """Send one call, again where that is safe and useful, and return its decoded reply.

    `progress` records whether any attempt has started to leave.

    Raises:
        InveterateError: see `_errors.py`.

    """
    spent, attempt, first_refusal = 0.0, 1, None
    progress = progress or Progress()
    while True:
        outcome: SendOutcome = yield Send(call, attempt, retries.deadline - spent, progress)
        spent += outcome.took
        result = _result(call, outcome)
        if not isinstance(result, InveterateError):
            return result
        error, took = yield from _classified(call, result, retries.deadline - spent)
        spent += took
        second = None if first_refusal or spent >= retries.deadline else _second_try(call, error)
        if second is not None:
            # The platform refused the call, and nothing was done: parameters that are documented as
            # required, and make no sense here, may be what it misses.
            call, first_refusal = second, error
            continue
        delay = retries.delay(call, error, attempt, spent)
        if delay is None:
            raise first_refusal or error
        yield Sleep(delay)
        spent += delay
        attempt += 1


def _second_try(call: Call[T], error: InveterateError) -> Call[T] | None:
    return call.second_try() if isinstance(error, BadRequestError) else None


def _result(call: Call[T], outcome: SendOutcome) -> T | InveterateError:
    error = error_for(call, outcome)
    if error is None and isinstance(outcome, HttpReply):
        return decode(call, outcome)
    if error is None:
        raise TypeError("a failure has an error")
    return error


def _classified(
    call: Call[Any], error: InveterateError, within: float
) -> Steps[tuple[InveterateError, float]]:
    """Classify a refusal; return its final error, and the time in seconds that the check took."""
    steps, took, outcome = classify(call, error, within), 0.0, None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as stop:
            return stop.value, took
        outcome = yield step
        took += outcome.took
