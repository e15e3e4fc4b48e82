"""Says whether a stack may have a name: all physical names begin with it, and the longest must fit into its service's limit."""

from __future__ import annotations

import re
from typing import Final

from relay.topics import FOLDERS

FUNCTION_NAME: Final = 64
"""Characters of a function's name, the shortest limit of any of our names. A queue's has 80."""

MAX_STACK_NAME: Final = FUNCTION_NAME - max(len(f"-{folder}") for folder in FOLDERS.values())
"""Characters. No CRM's and no other function's name is longer than the longest topic's: a test holds that."""

_STACK_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def fault(name: str) -> str | None:
    """Return why a stack cannot be called so; None where it can."""
    if not _STACK_NAME.fullmatch(name):
        return (
            f"{name!r} is no name for a stack: it has letters, digits and hyphens, and begins with a letter"
        )
    if len(name) > MAX_STACK_NAME:
        return (
            f"the stack's name {name!r} has {len(name)} characters and may have {MAX_STACK_NAME}: "
            f"its functions' names begin with it and end at {FUNCTION_NAME}"
        )
    return None
