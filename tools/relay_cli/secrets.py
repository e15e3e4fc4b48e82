"""Reads a secret that a person gives: from the environment, a file, the standard input or a prompt, never from an argument.

Arguments are seen by every user of the machine and stay in the shell's history.
"""

from __future__ import annotations

import json
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Final

from relay_cli.errors import UsageError
from relay_cli.prompts import prompt

_QUOTES: Final = "\"'“”„‟‘’‚‛«»`´"  # noqa: RUF001 - these are what a word processor makes of quotes
_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff\u00a0"


def read_secret(name: str, variable: str, *, source: str | None = None) -> str:
    """Return a secret: from `source` (a file, or `-` for the standard input), else the variable, else a prompt.

    Raises:
        UsageError: it is missing, or has characters that no secret has.

    """
    if source == "-":
        return cleaned(sys.stdin.read(), name)
    if source:
        try:
            return cleaned(Path(source).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UsageError(f"the {name} cannot be read from {source}: {reason}") from None
    if given := os.environ.get(variable):
        return cleaned(given, name)
    if not sys.stdin.isatty():
        raise UsageError(f"the {name} is missing", f"set {variable}")
    with prompt():
        typed = getpass(f"{name}: ")
    return cleaned(typed, name)


def cleaned(text: str, name: str) -> str:
    """Return a secret without blanks and quotes around it, and credentials in JSON without their line breaks.

    Raises:
        UsageError: it is empty, or has a character that cannot travel in a header of HTTP. The text is not repeated.

    """
    secret = _one_line(text.strip().strip(_INVISIBLE).strip())
    if len(secret) > 1 and secret[0] in _QUOTES and secret[-1] in _QUOTES:
        secret = secret[1:-1].strip()
    if not secret:
        raise UsageError(f"the {name} is empty")
    wrong = next(
        (character for character in secret if not character.isascii() or not character.isprintable()), None
    )
    if wrong is not None:
        position = secret.index(wrong) + 1
        raise UsageError(
            f"the {name} has a character at position {position} that no secret has (U+{ord(wrong):04X})",
            "copy it again from where it was made, without the quotes of a word processor or a line break",
        )
    return secret


def _one_line(text: str) -> str:
    """Return an object of JSON in one line; any other text as it is."""
    if not text.startswith("{"):
        return text
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return text
