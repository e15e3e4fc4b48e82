"""The layout of `--help`: a sentence, the arguments, then the examples exactly as they are written."""

from __future__ import annotations

import argparse
import shutil
from typing import Final

_MAX_WIDTH: Final = 100
_ARGUMENT_COLUMN: Final = 28


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions and examples, and gives long argument names room."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns - 2, _MAX_WIDTH)
        super().__init__(prog, max_help_position=_ARGUMENT_COLUMN, width=width)


def describe(parser: argparse.ArgumentParser, *examples: str, notes: str = "") -> None:
    """Give a command its examples, each a line that can be pasted, and notes below them."""
    title = "example:" if len(examples) == 1 else "examples:"
    lines = [title, *(f"  {example}" for example in examples)] if examples else []
    parser.epilog = "\n".join([*lines, *(["", notes] if notes else [])])
    parser.formatter_class = HelpFormatter


def add_yes_option(parser: argparse.ArgumentParser) -> None:
    """Add `--yes`, which skips the confirmation."""
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
