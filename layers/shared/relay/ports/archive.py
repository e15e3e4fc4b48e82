"""The journal's files as they lie in the bucket: listed by time, read, rewritten and removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file: its name, `journal/2026/11/27/…`, and when it was last written."""

    name: str
    written_at: datetime


class JournalArchive(Protocol):
    """The bucket of the journal. Every call may raise what `relay.errors` has for a server that does not answer."""

    def files(self, after: str = "") -> Iterator[StoredFile]:
        """Yield the journal's files in the order of their names, which is that of their days; those behind `after`."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None where there is no such file."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a file, or write it anew, and remove what it was before with every older version."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file with all of its versions."""
        ...
