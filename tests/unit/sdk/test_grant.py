"""Credits are granted at most once per key, whatever the platform loses, fails, delays or hides."""

from __future__ import annotations

import pytest
from inveterate import (
    AmbiguousWriteError,
    Client,
    MemoryIntents,
)
from inveterate._grant import mark_of

from tests.support.sdk.grant_calls import (
    MEMBER,
    Granting,
    ManualClock,
    both,
    hourly,
    settings,
)
from tests.support.sdk.ledger_server import Served


@both
def test_a_successful_grant_is_one_post_and_no_read(served: Served, grant: Granting) -> None:
    """The note is marked, and does not hold the key."""
    platform = served.reset()
    result = grant(served, note="for order 1")
    assert (result.status, result.entry, result.cause) == ("granted", None, None)
    assert (platform.posts, platform.reads, platform.credits) == (1, 0, 5)
    ((_, entry),) = platform.entries
    assert entry == {"amount": 5, "note": f"{result.mark} for order 1"}
    assert "order-1" not in entry["note"]


@both
@pytest.mark.parametrize("then", ["drop", "fail", "stall"])
def test_a_lost_reply_after_the_grant(served: Served, grant: Granting, then: str) -> None:
    """The connection drops, a 500 comes, or the reply is late: the ledger shows that it was granted."""
    platform = served.reset(then=then)
    intents = MemoryIntents()
    result = grant(served, intents)
    assert result.status == "granted"
    assert result.entry is not None
    assert result.entry.amount == 5
    assert type(result.cause) is AmbiguousWriteError
    assert grant(served, intents).status == "already_granted"
    assert (platform.posts, platform.credits) == (1, 5)


@both
@pytest.mark.parametrize("then", ["drop", "fail", "stall"])
def test_a_lost_request_before_the_grant(served: Served, grant: Granting, then: str) -> None:
    """It looks like a late ledger: the outcome stays unknown, and there is never a second post."""
    platform = served.reset(applies=False, then=then)
    intents = MemoryIntents(clock=hourly())
    results = [grant(served, intents) for _ in range(3)]
    assert [result.status for result in results] == ["unknown"] * 3
    assert (platform.posts, platform.credits) == (1, 0)


@both
def test_a_late_entry_is_found(served: Served, grant: Granting) -> None:
    """The ledger is read several times; a later call resolves an unknown outcome."""
    platform = served.reset(then="drop", shows_after=2)
    assert grant(served, looks=(0.0, 0.0, 0.0)).status == "granted"
    assert (platform.posts, platform.reads) == (1, 3)
    platform = served.reset(then="drop", shows_after=2)
    platform.add_old_entry(mark_of("an older grant"))
    intents = MemoryIntents()
    assert grant(served, intents, looks=(0.0,)).status == "unknown"
    # The ledger shows notes, and ours is missing: only the age of the claim prevents a second post.
    assert grant(served, intents, looks=(0.0,)).status == "unknown"
    assert grant(served, intents, looks=(0.0,)).status == "already_granted"
    assert (platform.posts, platform.credits) == (1, 5)


@both
def test_a_ledger_that_never_shows_notes(served: Served, grant: Granting) -> None:
    """It proves nothing, however often it is read: the outcome stays unknown."""
    platform = served.reset(then="drop", shows_notes=False)
    platform.add_old_entry("another note")
    intents = MemoryIntents(clock=hourly())
    results = [grant(served, intents) for _ in range(3)]
    assert [result.status for result in results] == ["unknown"] * 3
    assert (platform.posts, platform.credits) == (1, 5)


@both
def test_a_second_post_needs_proof_that_the_first_was_lost(served: Served, grant: Granting) -> None:
    """The ledger shows a note of ours and is whole, and the claim is old enough."""
    platform = served.reset(applies=False, then="drop")
    clock = ManualClock()
    intents = MemoryIntents(clock=clock)
    assert grant(served, intents).status == "unknown"
    platform.applies, platform.then = True, "answer"
    platform.add_old_entry(f"older {mark_of('older')}")
    assert grant(served, intents).status == "unknown"
    clock.pass_an_hour()
    platform.shows_notes = False
    assert grant(served, intents).status == "unknown"
    platform.shows_notes = True
    assert grant(served, intents).status == "granted"
    assert grant(served, intents).status == "already_granted"
    assert (platform.posts, platform.credits) == (2, 5)


def test_a_store_that_is_empty_is_not_replaced(served: Served) -> None:
    """An empty store is false, and still the caller's."""

    class Sized(MemoryIntents):
        def __len__(self) -> int:
            return len(self._recorded)

    served.reset()
    store = Sized()
    with Client("k", **settings(served, store, ())) as client:
        client.members.credits.grant(MEMBER, 5, key="order-1")
    assert len(store) == 1
