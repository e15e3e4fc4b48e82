"""Asks a person for texts and secrets, tests each answer as it comes, and asks again where it is wrong.

Without a terminal the answers come from flags, variables, files and what is there already; a wrong one ends the command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from getpass import getpass
from pathlib import Path
from typing import Final, TypeAlias

from relay_cli.errors import CliError, UsageError
from relay_cli.known_errors import AGAIN_LATER, known_error
from relay_cli.prompts import prompt
from relay_cli.secrets import cleaned, read_secret
from relay_cli.setup.secret_kinds import SecretKind

NONE: Final = "none"
"""What a person types to take an answer away: Enter keeps it."""

_MISSING: Final = "it is needed; `relay init --help` says how to give it"

Check: TypeAlias = Callable[[str], None]
"""Raises an error that names what is wrong with an answer, and does not repeat it."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Where answers come from. `given` are texts by parameter, `sources` files of secrets by the secret's name."""

    interactive: bool
    given: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, question: str, present: str, check: Check, *, needed: bool = False) -> str:
        """Return an answer that passes its check: given, typed, or what is there; empty for none.

        Raises:
            CliError: the answer is wrong or missing, and there is no terminal to ask at again.

        """
        if name in self.given:
            given = self.given[name]
            return self._checked(name, "" if given.lower() == NONE else given, check, needed=needed)
        if not self.interactive:
            return self._checked(name, present, check, needed=needed)
        while True:
            with prompt():
                typed = input(f"{question} [{present or NONE}]: ").strip()
            answer = "" if typed.lower() == NONE else typed or present
            try:
                return self._checked(name, answer, check, needed=needed)
            except CliError as error:
                say(self._at_the_question(error))

    def secret(self, kind: SecretKind, kept: str | None, check: Check, *, needed: bool) -> str | None:
        """Return a secret that passes its check; None for none. `kept` is the one that is stored.

        Raises:
            CliError: it is wrong or missing, and there is no terminal to ask at again.

        """
        source = self.sources.get(kind.name)
        if source or os.environ.get(kind.variable) or not self.interactive:
            given = source or os.environ.get(kind.variable)
            value = read_secret(kind.title, kind.variable, source=source) if given else kept
            return self._checked(kind.variable, value or "", check, needed=needed) or None
        hint = "Enter keeps the stored one" if kept else "needed" if needed else "Enter for none"
        while True:
            with prompt():
                typed = getpass(f"{kind.title} ({hint}): ").strip()
            try:
                value = None if typed.lower() == NONE else cleaned(typed, kind.title) if typed else kept
                return self._checked(kind.variable, value or "", check, needed=needed) or None
            except CliError as error:
                say(self._at_the_question(error))

    @staticmethod
    def _at_the_question(error: CliError) -> str:
        """Return an error's text without the remedies of a command that has ended: this one asks again."""
        return error.message if error.remedy in {_MISSING, AGAIN_LATER} else str(error)

    @staticmethod
    def _checked(name: str, answer: str, check: Check, *, needed: bool) -> str:
        if not answer:
            if needed:
                raise UsageError(f"{name} is missing", _MISSING)
            return ""
        try:
            check(answer)
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            raise known from None
        return answer


def secret_sources(pairs: list[str], known: Mapping[str, str]) -> Mapping[str, str]:
    """Return the files of secrets by name, as `--secret-from NAME=FILE` gives them; `-` is the standard input.

    Raises:
        UsageError: a name is unknown, a file is missing, or two read the standard input.

    """
    sources: dict[str, str] = {}
    for pair in pairs:
        name, _, source = pair.partition("=")
        if name not in known or not source:
            raise UsageError(f"--secret-from takes NAME=FILE with one of {', '.join(known)}")
        if source != "-" and not Path(source).is_file():
            raise UsageError(f"there is no file {source}")
        sources[name] = source
    if list(sources.values()).count("-") > 1:
        raise UsageError("only one secret can come from the standard input")
    return sources


def say(text: str) -> None:
    """Print what goes on to the standard error: the standard output has the result alone."""
    print(text, file=sys.stderr, flush=True)
