"""The errors of Relay, each with the effect on its message.

    RelayError
    ├── TransientError            not now: the message is deferred
    │   ├── MisconfiguredError    not until a setting is changed: deferred, and an alarm that names the setting
    │   ├── UnreadableRulesError  the stored rules cannot be read: deferred until they are replaced
    │   ├── NoReplyError          no answer came: the server may have carried it out or not
    │   ├── CoalesceError         possible now, and cheaper in a fuller batch: deferred once
    │   ├── CircuitOpenError      a circuit breaker of ours is open: deferred without a call, all to the same moment
    ├── PermanentError            never: to the dead letters, with the reason
    ├── ConflictError             another invocation wrote first: read again and decide again
    └── OverBudgetError           the month's budget does not cover a grant

Any other exception is a defect: the message is returned to its queue, becomes a suspect, and ends after five tries alone. No error's
text holds a value of an event, a key or a token: it names things by their field, setting or code.
"""

from __future__ import annotations


class RelayError(Exception):
    """The root of all errors that Relay raises on purpose."""


class TransientError(RelayError):
    """A server is slow, throttles or is down. `retry_after` is in seconds, where the server named a time."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MisconfiguredError(TransientError):
    """Credentials, scopes or a setting are wrong; `setting` names the one to look at."""

    def __init__(self, message: str, *, setting: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.setting = setting


class UnreadableRulesError(TransientError):
    """The stored rules cannot be read. The defaults are never used instead: nothing is decided until they are replaced."""


class NoReplyError(TransientError):
    """The request was sent and no answer came. A caller that cannot repeat it safely has to know the difference."""


class NotDueError(TransientError):
    """Waits by plan until a time of ours, such as the next permitted reading: no server is down, and no alarm looks at it."""


class CoalesceError(TransientError):
    """Possible now, but cheaper in a fuller batch. The message is deferred once, and its header says so."""


class CircuitOpenError(TransientError):
    """A circuit breaker of ours is open. The messages come back together, so that they fill calls."""


class NotBegunError(TransientError):
    """The message may be the one that ends the function. It is deferred unstarted, and stays a suspect."""


class PermanentError(RelayError):
    """This message can never work. `reason` is a short code that the dead letter carries."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason


class ExhaustedError(PermanentError):
    """A message was begun alone as often as is allowed. `last` is the class of the last error, empty after a crash."""

    def __init__(self, last: str = "") -> None:
        super().__init__("too_many_tries", last)
        self.last = last


def description(error: Exception) -> str:
    """Return what an error says, for a log or a dead letter: its class, and the text of one of ours.

    The texts of our own errors hold no value of a message; those of others might. A permanent error begins with its reason.
    """
    if isinstance(error, ExhaustedError):
        return error.last or type(error).__name__
    if isinstance(error, PermanentError):
        return str(error)
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, RelayError) and str(error) else name


class ConflictError(RelayError):
    """A conditional write found a newer version than the one that was read."""


class OverBudgetError(RelayError):
    """The month's budget does not cover these credits."""
