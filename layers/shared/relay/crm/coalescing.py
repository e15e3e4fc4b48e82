"""When the queue is backed up, defer a partial batch once (2 s), so that calls go out full.

The queue is backed up when an invocation has more messages than a call takes. Each invocation would then end in a
partial call. Two seconds later those members and notes fill calls, at the price of one queue message each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from relay.errors import CoalesceError

_SECONDS: Final = 2.0


def wait_for_fuller_batch(what: str = "") -> CoalesceError:
    """Return the error that defers a message once; `what` is a prefix of its text."""
    return CoalesceError(f"{what}waits for a fuller batch", retry_after=_SECONDS)


def deferred_members(stale: Sequence[str], waited: Collection[str], size: int) -> set[str]:
    """Return the members that wait: those beyond full calls of `size`, unless they have `waited` before."""
    surplus = len(stale) % size
    fresh = [key for key in stale if key not in waited]
    return set(fresh[-surplus:]) if surplus and len(fresh) >= surplus else set()


def deferred_notes(counts: Mapping[str, int], waited: Collection[str], size: int) -> set[str]:
    """Return the messages whose notes wait; `counts` is the number of notes by message id, the oldest message first.

    The newest messages wait, with at most half a call of notes: there are as many notes as messages, and deferring
    more of them would keep the queue busy with its own copies.
    """
    surplus = sum(counts.values()) % size
    if surplus > size // 2:
        return set()
    deferred: set[str] = set()
    for message_id in reversed([*counts]):
        if message_id not in waited and counts[message_id] <= surplus:
            deferred.add(message_id)
            surplus -= counts[message_id]
    # Deferring less than the whole surplus would still leave a partial call.
    return deferred if not surplus else set()
