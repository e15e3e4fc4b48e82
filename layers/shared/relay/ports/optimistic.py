"""Reads, changes and writes a record that other invocations write as well: one loop for every store.

A store writes a record only over the version that was read, and raises a `ConflictError` otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from relay.errors import ConflictError, TransientError

TRIES: Final = 5
"""Each further attempt means that another invocation wrote the same record within milliseconds."""

_Known = TypeVar("_Known")
_Written = TypeVar("_Written")


def retry_conflicts(
    known: _Known, write: Callable[[_Known], _Written], read: Callable[[], _Known], *, what: str
) -> _Written:
    """Return what `write` makes of the state `known`; after a conflict, of the state as `read` returns it then.

    `write` may run several times, so it must have no effect before its conditional write. `what` names the
    record's kind in the error.

    Raises:
        TransientError: other invocations wrote first at each of the attempts.

    """
    for tries_left in reversed(range(TRIES)):
        try:
            return write(known)
        except ConflictError:
            if tries_left:
                known = read()
    raise TransientError(f"{what}: other invocations wrote first at each of {TRIES} attempts")
