"""What can go wrong while an event is handled, by what should then happen to it.

    RelayError
    ├── TransientError          not now: keep the message, try again later
    │   ├── MisconfiguredError  not until a person changes a setting: the same, and an alarm that names it
    │   ├── UnreadableRulesError  the stored rules make no sense: the same, until they are applied again
    │   ├── UnansweredError     no answer came: the server may have done it or not
    │   ├── HeldError           possible now, and cheaper in a moment: wait once for company
    │   └── ParkedError         a gate of ours is closed until then: nobody is asked, so all may come at once
    ├── PermanentError          never: to the dead letters, with the reason
    ├── ConflictError           somebody else wrote first: read again and decide again
    └── OverCeilingError        what a merchant allowed to be given away is promised already

Any other exception is a defect of ours: the message comes back until its queue gives it up. No error's
text holds a value of an event, a key or a token: it names things by their field, setting or code.
"""

from __future__ import annotations


class RelayError(Exception):
    """The root of all that Relay raises on purpose."""


class TransientError(RelayError):
    """A server is slow, throttles or is down. `retry_after` is in seconds, where it said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MisconfiguredError(TransientError):
    """Credentials, scopes or a setting are wrong; `setting` names the one to look at."""

    def __init__(self, message: str, *, setting: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.setting = setting


class UnreadableRulesError(TransientError):
    """The stored rules cannot be read. Never silently the defaults: nothing is decided until they are replaced."""


class NoReplyError(TransientError):
    """The request went out and no answer came back; who cannot repeat it safely must know the difference."""


class CoalesceError(TransientError):
    """Possible now, but cheaper in company: put off once, and its copy says so."""


class CircuitOpenError(TransientError):
    """A gate of ours is closed. What comes back together when it opens fills calls, and meets no server before."""


class PermanentError(RelayError):
    """This message can never work. `reason` is a short code that the dead letter carries."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason


class ConflictError(RelayError):
    """A conditional write found a newer version than the one that was read."""


class OverBudgetError(RelayError):
    """The month's ceiling leaves no room for these credits."""
