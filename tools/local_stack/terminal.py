"""Runs a command as at a terminal: it may ask, its questions are answered, and all that it shows is kept.

Its input is a terminal of its own, so a secret is asked without an echo. Its output is a pipe: progress is plain lines.
"""

from __future__ import annotations

import os
import pty
import re
import selectors
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local_stack.errors import LocalStackError

_PROMPT: Final = re.compile(r"[^\n]*(?:: |\] )\Z")
_SILENCE: Final = 0.3
"""Seconds without output after which an unfinished line is a question."""

_LONGEST: Final = 900.0
_ECHO: Final = 3
"""The place of the local modes in what `tcgetattr` returns."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person sees of a command: its output with the answers that were typed, and its exit code."""

    text: str
    exit_code: int
    asked: tuple[str, ...] = ()


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    answer: Callable[[str], str],
) -> Shown:
    """Run a command in a folder; `answer` returns what is typed at a question.

    Raises:
        LocalStackError: it takes longer than a quarter of an hour.

    """
    with _opened(pty.openpty) as (master, slave), _opened(os.pipe) as (output, written):
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=slave,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # without a terminal to control, questions for secrets go to the output
        )
        os.close(written)  # so that the output ends with the command
        try:
            shown, asked = _converse(output, master, slave, answer)
            return Shown(shown, process.wait(), asked)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextmanager
def _opened(pair: Callable[[], tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Open two ends, and close those that are still open afterwards."""
    ends = pair()
    try:
        yield ends
    finally:
        for end in ends:
            with suppress(OSError):
                os.close(end)


def _converse(
    output: int, master: int, slave: int, answer: Callable[[str], str]
) -> tuple[str, tuple[str, ...]]:
    """Read to the end of the output, and answer each question; return what was shown, and the questions."""
    seen, asked = b"", list[str]()
    until = time.monotonic() + _LONGEST
    with selectors.DefaultSelector() as waiting:
        waiting.register(output, selectors.EVENT_READ)
        while True:
            if time.monotonic() > until:
                raise LocalStackError(f"the command goes on and on: {seen[-200:].decode(errors='replace')}")
            if waiting.select(_SILENCE):
                read = os.read(output, 65_536)
                if not read:
                    return seen.decode(), tuple(asked)
                seen += read
            elif question := _PROMPT.search(seen.decode(errors="ignore")):
                asked.append(question[0])
                typed = answer(question[0])
                # A secret is typed without an echo, and its command ends the line itself.
                if termios.tcgetattr(slave)[_ECHO] & termios.ECHO:
                    seen += f"{typed}\n".encode()
                os.write(master, f"{typed}\n".encode())
