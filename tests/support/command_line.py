"""Parses a command's words as `relay` does: the common options first, then the command's own."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from relay_cli.common import take_common


def parsed(configure: Callable[[argparse.ArgumentParser], None], *words: str) -> argparse.Namespace:
    """Return the arguments of a command whose module has this `configure`."""
    common, own = take_common(words)
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args(own, common)
