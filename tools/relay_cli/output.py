"""What commands print: a value as JSON or as text, tables, and the progress of long work.

Results go to the standard output, everything else to the standard error. At a terminal tables and progress are drawn;
in a pipe they are plain lines.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Protocol

_SECONDS_BETWEEN_LINES: Final = 5.0


def show(arguments: argparse.Namespace, value: object, text: str) -> None:
    """Print a result: `value` with `--json`, else the text."""
    print(as_json(value) if arguments.json else text)


def as_json(value: object) -> str:
    """Return a value as JSON: times in ISO 8601, amounts as numbers."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value).__name__)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = "none") -> str:
    """Return rows as an aligned table, or `empty` where there are none; without any heading the rows alone."""
    if not rows:
        return empty
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    columns = list(zip(headings, *cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    head = [list(headings), ["-" * width for width in widths]] if any(headings) else []
    lines = [*head, *cells]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def age_text(seconds: float) -> str:
    """Return an age in its largest two units, such as `3 d 4 h`."""
    minutes = int(max(seconds, 0)) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {rest} min"
    return f"{rest} min" if rest else f"{int(max(seconds, 0))} s"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 letter` and `2 letters`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def agree(count: int, one: str, many: str) -> str:
    """Return the verb that fits a count: `1 stays`, `2 stay`."""
    return one if count == 1 else many


class Progress(Protocol):
    """The progress of one long step."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how much is done, of how much where that is known."""
        ...


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show the progress of a step on the standard error: a bar at a terminal, else a line every few seconds."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, note="")

        def update(done: int, total: int | None = None, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield update


def _lines(title: str) -> Progress:
    said = float("-inf")

    def update(done: int, total: int | None = None, note: str = "") -> None:
        nonlocal said
        if time.monotonic() - said < _SECONDS_BETWEEN_LINES and done != total:
            return
        said = time.monotonic()
        amount = f"{done:,}" if total is None else f"{done:,} of {total:,}"
        print(f"{title}: {amount}{f' ({note})' if note else ''}", file=sys.stderr, flush=True)

    return update
