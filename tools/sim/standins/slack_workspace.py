"""What Slack's stand-in keeps: the messages that it took, and the faults that wait for the next ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of a message instead of the usual."""

    status: int | None = None
    times: int = 1
    retry_after: int | None = None
    hang: float = 0.0
    body: str | None = None


@dataclass(slots=True)
class Workspace:
    """The memory that the webhook and the Web API share: messages oldest first, faults in the order given."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
