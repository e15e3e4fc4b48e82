"""Ports of messaging: the journal, and queues and topics that take messages in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from relay.model.header import MessageHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message to send: its body and header, and a delay in seconds (0 to 900) where the target is a queue."""

    body: str
    header: MessageHeader = field(default_factory=MessageHeader)
    delay: int = 0

    @property
    def attributes(self) -> Mapping[str, str]:
        """The message attributes that carry the header: text by name."""
        return self.header.attributes


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
