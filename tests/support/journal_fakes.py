"""A journal's bucket in memory, with files as Firehose writes and names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from relay.model.journal import dump
from relay.ports.archive import StoredFile
from relay.recovery.journal_files import packed, read_lines


@dataclass
class FakeArchive:
    """`ports.JournalArchive` in memory. `failure` is raised by every call; `reads` are the names that were read."""

    stored: dict[str, bytes] = field(default_factory=dict)
    written_at: dict[str, datetime] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    failure: Exception | None = None
    now: datetime = datetime(2026, 3, 1, tzinfo=UTC)

    def deliver(self, at: datetime, *lines: Mapping[str, Any], late: datetime | None = None) -> str:
        """Write a file of these lines that was begun at this moment; `late` is when it reached the bucket, if later."""
        name = f"journal/{at:%Y/%m/%d}/journal-1-{at:%Y-%m-%d-%H-%M-%S}-{len(self.stored):04d}.gz"
        self.stored[name] = packed(b"".join(map(dump, lines)))
        self.written_at[name] = late or at
        return name

    def lines(self) -> list[Mapping[str, Any]]:
        """Return all lines."""
        return [
            line
            for name in sorted(self.stored)
            if name.startswith("journal/")
            for line in read_lines(self.stored[name])
        ]

    def files(self, after: str = "") -> Iterator[StoredFile]:
        """Yield the journal's files by name."""
        self._answer()
        for name in sorted(self.stored):
            if name.startswith("journal/") and name > after:
                yield StoredFile(name, self.written_at[name])

    def read(self, name: str) -> bytes | None:
        """Return a file."""
        self._answer()
        self.reads.append(name)
        return self.stored.get(name)

    def write(self, name: str, content: bytes) -> None:
        """Keep a file."""
        self._answer()
        self.stored[name], self.written_at[name] = content, self.now

    def remove(self, name: str) -> None:
        """Forget a file."""
        self._answer()
        del self.stored[name]

    def _answer(self) -> None:
        if self.failure:
            raise self.failure
