"""Checks of what waits: the queues, the dead letters and the unclaimed webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from relay_cli.checks.line import CheckLine, ok
from relay_cli.resources import QUEUE, QueueDepth, Resource, names_of, queue_depths
from relay_cli.stack import Stack

MANY: Final = 1_000
"""Messages in one queue from which a line says so. A back-fill brings more for a while."""

DEAD_LETTERS: Final = "dead-letters"
UNCLAIMED: Final = "unclaimed"


def check_queues(stack: Stack, resources: Sequence[Resource]) -> Iterator[CheckLine]:
    """Yield what waits in the stack's queues."""
    yield from queue_lines(queue_depths(stack, names_of(resources, QUEUE)))


def queue_lines(depths: Iterable[QueueDepth]) -> Iterator[CheckLine]:
    """Yield the lines for the queues: those where much waits, the dead letters, the unclaimed."""
    by_name = {depth.name: depth for depth in depths}
    dead, unclaimed = by_name.pop(DEAD_LETTERS, None), by_name.pop(UNCLAIMED, None)
    full = [depth for depth in by_name.values() if depth.total >= MANY]
    if not full:
        total = sum(depth.total for depth in by_name.values())
        yield ok("queues", f"{total:,} messages wait in {len(by_name)} queues")
    for depth in full:
        yield CheckLine(
            f"queue {depth.name}",
            "warning",
            f"{depth.total:,} messages wait, {depth.delayed:,} of them deferred",
            "`relay status` shows for how long; the saved query *deferrals, by reason* shows why",
        )
    yield _leftover("dead letters", dead, "`relay dead-letters list` shows why; `redrive` sends them back")
    yield _leftover(
        "unclaimed", unclaimed, "docs/operations.md has a section unclaimed; a newer version may place them"
    )


def _leftover(name: str, depth: QueueDepth | None, remedy: str) -> CheckLine:
    if depth is None:
        return CheckLine(name, "bad", "their queue is gone", "deploy the stack again: `relay deploy`")
    if not depth.total:
        return ok(name, "none")
    return CheckLine(name, "bad" if name == "dead letters" else "warning", f"{depth.total:,}", remedy)
