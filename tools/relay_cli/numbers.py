"""Numbers in arguments: what is no number, or is out of range, is refused with the range that is allowed."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return what reads a whole number of this range.

    Raises:
        argparse.ArgumentTypeError: by what is returned, where the text is none.

    """

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text} is no whole number {_range(least, most)}")
        return value

    return read


def number(least: float, most: float) -> Callable[[str], float]:
    """Return what reads a number of this range.

    Raises:
        argparse.ArgumentTypeError: by what is returned, where the text is none.

    """

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is no number {_range(least, most)}")
        return value

    return read


def _range(least: float, most: float | None) -> str:
    return f"of {least:,} or more" if most is None else f"from {least:,} to {most:,}"
