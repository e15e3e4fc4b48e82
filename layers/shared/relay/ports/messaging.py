"""What is archived and what is sent on: the journal, and queues and topics that take messages in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message to send: text attributes, and a delay in seconds (0 to 900) where the target is a queue."""

    body: str
    attributes: Mapping[str, str]
    delay: int = 0


class MessageSender(Protocol):
    """A queue or topic that is sent to in batches."""

    def send(self, messages: Sequence[OutgoingMessage]) -> Sequence[Exception | None]:
        """Send; one answer for each message, None where it was taken."""
        ...


class Journal(Protocol):
    """The archive of everything that was processed."""

    def write(self, lines: Sequence[Mapping[str, Any]]) -> Sequence[Exception | None]:
        """Append lines; one answer for each, None where it was taken."""
        ...
