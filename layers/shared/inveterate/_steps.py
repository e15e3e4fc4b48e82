"""The words of a conversation with the platform: what may be asked of a client, and what comes back.

A conversation is a generator that does no I/O. It yields steps (`Send` this, `Sleep` so long, `Do`
that) and is sent back what came of them; its return value is the caller's. `Client` and `AsyncClient`
are two small loops that do what the step says (`_transport.py`), so every rule is written and tested
once, without network, clock or event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from inveterate._call import Call

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send the call's request; the answer is a `Reply` or a `Failure`.

    `within` seconds are what is left of the deadline (None: the usual timeouts alone).
    """

    call: Call[Any]
    attempt: int = 1
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Do:
    """Call something that may block (a port of ours, such as `Intents`); the answer is what it returns."""

    action: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer. `took` is in seconds; `secret` is what no error may repeat."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    took: float = 0.0
    secret: str = field(default="", repr=False)

    @property
    def request_id(self) -> str | None:
        """The name that the platform's gateway gave this request, for people to quote."""
        for name in ("x-request-id", "x-amzn-requestid", "apigw-requestid", "x-amz-cf-id"):
            if value := self.headers.get(name):
                return self.hushed(value)[:100]
        return None

    def hushed(self, text: str) -> str:
        """Return `text` without the secret."""
        return text.replace(self.secret, "…") if self.secret else text


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer. `sent` is False only where the request certainly never left."""

    cause: Exception
    sent: bool
    timed_out: bool = False
    took: float = 0.0


Step: TypeAlias = Send | Sleep | Do
Answer: TypeAlias = Reply | Failure
Conversation: TypeAlias = Generator[Step, Any, T]
