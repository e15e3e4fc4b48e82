"""Steps of a call as values: what a client is asked to do, and what it answers.

A call is a generator that does no I/O. It yields steps (`Send`, `Sleep`, `RunBlocking`) and receives the
outcome of each; its return value is the caller's. `Client` and `AsyncClient` are two small loops that
execute the steps (`_transport.py`), so every rule is written and tested once, without network, clock or
event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from inveterate._call import Call

T = TypeVar("T")


@dataclass(slots=True)
class Progress:
    """Whether a request has started to leave. Before that, an interruption has certainly sent nothing."""

    started: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send the call's request; the outcome is an `HttpReply` or a `SendFailure`.

    `within` is the time in seconds that is left for this attempt, from the connection to the last byte.
    """

    call: Call[Any]
    attempt: int
    within: float
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RunBlocking:
    """Call a function that may block, such as a method of `Intents`; the outcome is what it returns."""

    action: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An HTTP reply. `took` is in seconds; `secret` is the text that no error may repeat.

    `repr` shows neither headers nor content: error trackers record local variables.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    took: float = 0.0
    secret: str = field(default="", repr=False)
    received_at: datetime | None = None

    @property
    def request_id(self) -> str | None:
        """The id that the platform's gateway gave this request, to quote to the platform's support."""
        for name in ("x-request-id", "x-amzn-requestid", "apigw-requestid", "x-amz-cf-id"):
            if value := self.headers.get(name):
                return self.redacted(value)[:100]
        return None

    def redacted(self, text: str) -> str:
        """Return `text` without the secret."""
        return text.replace(self.secret, "…") if self.secret else text


@dataclass(frozen=True, slots=True)
class SendFailure:
    """A request without a complete reply. `sent` is False only where the request certainly never left.

    `too_large` is True where the reply exceeded the client's limit.
    """

    cause: Exception
    sent: bool
    timed_out: bool = False
    took: float = 0.0
    too_large: bool = False


Step: TypeAlias = Send | Sleep | RunBlocking
SendOutcome: TypeAlias = HttpReply | SendFailure
Steps: TypeAlias = Generator[Step, Any, T]
