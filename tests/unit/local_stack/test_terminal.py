"""A command that is run as at a terminal: its questions are answered, secrets are typed unseen, progress is lines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from local_stack import terminal

ASKS = """
import getpass, sys
name = input("Name [none]: ")
secret = getpass.getpass("Token (needed): ")
print(f"{name or 'no name'}, {len(secret)} characters", file=sys.stderr)
print(f"at a terminal: {sys.stdin.isatty()}, progress drawn: {sys.stderr.isatty()}")
sys.exit(3)
"""


@pytest.mark.parametrize(("name", "shown"), [("acme", "Name [none]: acme\n"), ("", "Name [none]: \n")])
def test_questions(tmp_path: Path, name: str, shown: str) -> None:
    """What is typed is shown where it is echoed; a secret reaches the command, and is in no output."""

    def answer(question: str) -> str:
        return name if question.startswith("Name") else "a-secret"

    done = terminal.run([sys.executable, "-c", ASKS], os.environ, tmp_path, answer)
    assert done.text == (
        f"{shown}Token (needed): \n{name or 'no name'}, 8 characters\nat a terminal: True, progress drawn: False\n"
    )
    assert (done.exit_code, done.asked) == (3, ("Name [none]: ", "Token (needed): "))


def test_a_line_that_is_not_finished_is_no_question(tmp_path: Path) -> None:
    """A command that writes a line in parts, and asks nothing, is not answered."""
    code = "import time; print('half', end='', flush=True); time.sleep(1); print(' a line')"
    done = terminal.run([sys.executable, "-c", code], os.environ, tmp_path, lambda _: "never")
    assert (done.text, done.asked) == ("half a line\n", ())
