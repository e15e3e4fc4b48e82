"""Reads the journal's files: their lines, the body of a line, and the time at which a file was begun.

Firehose begins a file with the first line that reaches it, at most a minute before it writes the file, and names it by
that time: `journal/2026/11/27/…-2026-11-27-21-04-55-…gz`. Source: the Firehose developer guide, "S3 object name format".
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from relay.ports.archive import JournalArchive, StoredFile

_GZIP: Final = b"\x1f\x8b"
_DAY: Final = re.compile(r"^journal/(\d{4})/(\d{2})/(\d{2})/")
_TIME: Final = re.compile(r"-(\d{4})-(\d{2})-(\d{2})-(\d{2})-(\d{2})-(\d{2})-")


def day_of(name: str) -> date | None:
    """Return the day (UTC) of a file; None where its name has none."""
    found = _DAY.match(name)
    return date(*map(int, found.groups())) if found else None


def begun_at(stored: StoredFile) -> datetime:
    """Return when a file was begun: by its name, else when it was written."""
    found = _TIME.search(stored.name)
    if not found:
        return stored.written_at.astimezone(UTC)
    year, month, day, hour, minute, second = map(int, found.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def files_between(archive: JournalArchive, begin: datetime, end: datetime) -> Iterator[StoredFile]:
    """Yield the files that were begun from `begin` up to `end`."""
    # A file's day is in its name: one of the day before is behind this mark, whatever follows in the name.
    mark = f"journal/{begin - timedelta(days=1):%Y/%m/%d}/"
    for stored in archive.files(mark):
        day = day_of(stored.name)
        if day and day > end.date():
            return
        if begin <= begun_at(stored) <= end:
            yield stored


def unpacked(content: bytes) -> bytes:
    """Return a file's lines; a file that was stored without compression is what it is."""
    return gzip.decompress(content) if content.startswith(_GZIP) else content


def packed(lines: bytes) -> bytes:
    """Return lines as a file has them."""
    # Without the time in its head, the same lines are the same file.
    return gzip.compress(lines, mtime=0)


def read_lines(content: bytes) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a file; what is no line of the journal is left out."""
    for line in unpacked(content).splitlines():
        try:
            columns = json.loads(line)
        except ValueError:
            continue
        if isinstance(columns, dict):
            yield columns


def body_of(line: Mapping[str, Any]) -> object:
    """Return the body in a line, also where it is packed; None where it has none, or none that can be read."""
    if "packed" not in line:
        return line.get("body")
    try:
        return json.loads(zlib.decompress(base64.b64decode(line["packed"])))
    except (ValueError, zlib.error):
        return None


def time_in(line: Mapping[str, Any], column: str) -> datetime | None:
    """Return the moment in a column; None where there is none."""
    try:
        moment = datetime.fromisoformat(line[column])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
