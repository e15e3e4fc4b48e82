"""In a crowd, who would leave a call half empty waits once for company.

A crowd is more messages than a call takes. Each batch of messages would end in a call that is half empty;
waiting two seconds, those calls are filled, for the price of a queue message each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from relay.errors import CoalesceError

_SECONDS: Final = 2.0


def wait_for_fuller_batch(what: str = "") -> CoalesceError:
    """Return the answer of who waits."""
    return CoalesceError(f"{what}waits for a fuller batch", retry_after=_SECONDS)


def members(stale: Sequence[str], waited: Collection[str], size: int) -> set[str]:
    """Return which members wait: what is over full calls, each message once."""
    over = len(stale) % size
    fresh = [key for key in stale if key not in waited]
    return set(fresh[-over:]) if over and len(fresh) >= over else set()


def notes(counts: Mapping[str, int], waited: Collection[str], size: int) -> set[str]:
    """Return which messages' notes wait; `counts` says how many each has, the oldest first.

    The newest wait, and half a call at most: notes are as many as messages, and to hold more would keep a
    queue going round.
    """
    over = sum(counts.values()) % size
    if over > size // 2:
        return set()
    held: set[str] = set()
    for message_id in reversed([*counts]):
        if message_id not in waited and counts[message_id] <= over:
            held.add(message_id)
            over -= counts[message_id]
    # Unless that fills the calls, nobody needs to wait.
    return held if not over else set()
