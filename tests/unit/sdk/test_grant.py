"""Credits are granted at most once per key, against a platform that loses, fails, dawdles and hides."""

from __future__ import annotations

import pytest
from inveterate import (
    AmbiguousWriteError,
    Client,
    MemoryIntents,
)
from inveterate._grant import mark_of

from tests.unit.sdk.granting import (
    MEMBER,
    Granting,
    both,
    settings,
)
from tests.unit.sdk.ledger_server import Served


@both
def test_a_grant_that_goes_well_is_one_post_and_no_reading(served: Served, grant: Granting) -> None:
    """The note is marked, and says no key."""
    platform = served.behaving()
    result = grant(served, note="for order 1")
    assert (result.status, result.entry, result.cause) == ("granted", None, None)
    assert (platform.posts, platform.reads, platform.credits) == (1, 0, 5)
    ((_, entry),) = platform.entries
    assert entry == {"amount": 5, "note": f"{result.mark} for order 1"}
    assert "order-1" not in entry["note"]


@both
@pytest.mark.parametrize("then", ["drop", "fail", "dawdle"])
def test_applied_and_then_a_lost_answer(served: Served, grant: Granting, then: str) -> None:
    """The connection drops, a 500 comes, or the answer is late: the ledger shows that it was granted."""
    platform = served.behaving(then=then)
    intents = MemoryIntents()
    result = grant(served, intents)
    assert result.status == "granted"
    assert result.entry is not None
    assert result.entry.amount == 5
    assert type(result.cause) is AmbiguousWriteError
    assert grant(served, intents).status == "already_granted"
    assert (platform.posts, platform.credits) == (1, 5)


@both
@pytest.mark.parametrize("then", ["drop", "fail", "dawdle"])
def test_lost_before_it_was_applied(served: Served, grant: Granting, then: str) -> None:
    """Nobody can tell it from a ledger that is late: unknown, again and again, and never a second post."""
    platform = served.behaving(applies=False, then=then)
    intents = MemoryIntents()
    results = [grant(served, intents, settled_after=0.0) for _ in range(3)]
    assert [result.status for result in results] == ["unknown"] * 3
    assert (platform.posts, platform.credits) == (1, 0)


@both
def test_an_entry_that_shows_only_after_a_while(served: Served, grant: Granting) -> None:
    """It is looked for more than once; and an unknown is resolved by asking again."""
    platform = served.behaving(then="drop", shows_after=2)
    assert grant(served, looks=(0.0, 0.0, 0.0)).status == "granted"
    assert (platform.posts, platform.reads) == (1, 3)
    platform = served.behaving(then="drop", shows_after=2)
    platform.remember(mark_of("an older grant"))
    intents = MemoryIntents()
    assert grant(served, intents, looks=(0.0,)).status == "unknown"
    # The ledger shows notes, and ours is not there yet: only its age keeps us from posting again.
    assert grant(served, intents, looks=(0.0,)).status == "unknown"
    assert grant(served, intents, looks=(0.0,)).status == "already_granted"
    assert (platform.posts, platform.credits) == (1, 5)


@both
def test_a_ledger_that_never_shows_notes(served: Served, grant: Granting) -> None:
    """It proves nothing, however often it is read and however long one waits: unknown is the answer."""
    platform = served.behaving(then="drop", shows_notes=False)
    platform.remember("somebody else's note")
    intents = MemoryIntents()
    results = [grant(served, intents, settled_after=0.0) for _ in range(3)]
    assert [result.status for result in results] == ["unknown"] * 3
    assert (platform.posts, platform.credits) == (1, 5)


@both
def test_a_second_post_is_made_only_where_the_ledger_proves_the_first_was_lost(
    served: Served, grant: Granting
) -> None:
    """It has shown a note of ours, was read whole, and the claim is old enough."""
    platform = served.behaving(applies=False, then="drop")
    intents = MemoryIntents()
    assert grant(served, intents).status == "unknown"
    platform.applies, platform.then = True, "answer"
    platform.remember("unrelated")
    assert grant(served, intents, settled_after=0.0).status == "unknown"
    platform.remember(f"older {mark_of('older')}")
    assert grant(served, intents).status == "unknown"
    assert grant(served, intents, settled_after=0.0).status == "granted"
    assert grant(served, intents, settled_after=0.0).status == "already_granted"
    assert (platform.posts, platform.credits) == (2, 5)


def test_a_store_that_is_empty_is_not_replaced(served: Served) -> None:
    """A store with a length of nothing is false, and still the caller's."""

    class Sized(MemoryIntents):
        def __len__(self) -> int:
            return len(self._written)

    served.behaving()
    store = Sized()
    with Client("k", **settings(served, store, ())) as client:
        client.members.credits.grant(MEMBER, 5, key="order-1")
    assert len(store) == 1
