"""Credits are granted at most once per key, against a platform that loses, fails, dawdles and hides."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from inveterate import (
    AmbiguousWriteError,
    AsyncClient,
    BadRequestError,
    Claim,
    ClaimState,
    Client,
    ConnectionFailedError,
    CustomerId,
    Exchange,
    GrantResult,
    Intent,
    Intents,
    MemoryIntents,
    Retries,
)
from inveterate._grant import mark_of

from tests.unit.sdk.fakes import Script, ok
from tests.unit.sdk.ledger_server import Served, serving

MEMBER = CustomerId(42)
LOOKS = (0.0, 0.02, 0.05)
PATIENT, IMPATIENT = httpx.Timeout(30.0), httpx.Timeout(30.0, read=0.4)
RETRIES = Retries(attempts=2, first=0.001, longest=0.002)

Granting = Callable[..., GrantResult]


class FileIntents:
    """Intents that survive a restart: a small port, written to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()

    def claim(self, intent: Intent) -> Claim:
        """Write it down, or return what is written."""
        with self.lock:
            written = self._read()
            if intent.key in written:
                kept = written[intent.key]
                age = time.time() - kept["since"]
                return Claim(ClaimState(kept["state"]), self._intent(intent.key, kept), kept["attempt"], age)
            self._write(Claim(ClaimState.OPEN, intent))
        return Claim(ClaimState.NEW, intent)

    def renew(self, claim: Claim) -> bool:
        """Count one more post."""
        with self.lock:
            if self._read()[claim.intent.key]["attempt"] != claim.attempt:
                return False
            self._write(Claim(ClaimState.OPEN, claim.intent, claim.attempt + 1))
            return True

    def settle(self, claim: Claim) -> None:
        """Write down that it was granted."""
        with self.lock:
            self._write(Claim(ClaimState.GRANTED, claim.intent, claim.attempt))

    def release(self, claim: Claim) -> None:
        """Forget it."""
        with self.lock:
            written = self._read()
            del written[claim.intent.key]
            self.path.write_text(json.dumps(written))

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text())) if self.path.exists() else {}

    def _intent(self, key: str, kept: dict[str, Any]) -> Intent:
        return Intent(key, CustomerId(kept["customer"]), Decimal(kept["amount"]))

    def _write(self, claim: Claim) -> None:
        told = {
            "state": claim.state,
            "attempt": claim.attempt,
            "since": time.time(),
            "customer": claim.intent.customer_id,
            "amount": str(claim.intent.amount),
        }
        self.path.write_text(json.dumps({**self._read(), claim.intent.key: told}))


class CrashError(BaseException):
    """The process dies here."""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Return a platform behind a real server."""
    with serving() as it:
        yield it


def settings(served: Served, intents: Intents | None, hooks: tuple[Any, ...]) -> dict[str, Any]:
    """Return what both clients are told."""
    timeout = IMPATIENT if served.platform.then == "dawdle" else PATIENT
    told = {"base_url": served.address, "timeout": timeout, "retries": RETRIES, "hooks": hooks}
    return told if intents is None else {**told, "intents": intents}


def grant_sync(
    served: Served, intents: Intents | None = None, *, hooks: Any = (), **terms: Any
) -> GrantResult:
    """Grant 5 credits with the client that waits."""
    with Client("k", **settings(served, intents, hooks)) as client:
        return client.members.credits.grant(MEMBER, 5, **{"key": "order-1", "looks": LOOKS, **terms})


def grant_async(
    served: Served, intents: Intents | None = None, *, hooks: Any = (), **terms: Any
) -> GrantResult:
    """Grant 5 credits with the client for asyncio."""

    async def main() -> GrantResult:
        async with AsyncClient("k", **settings(served, intents, hooks)) as client:
            return await client.members.credits.grant(
                MEMBER, 5, **{"key": "order-1", "looks": LOOKS, **terms}
            )

    return asyncio.run(main())


both = pytest.mark.parametrize("grant", [grant_sync, grant_async], ids=["sync", "async"])


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


@pytest.mark.parametrize("then", ["answer", "drop", "dawdle"])
def test_two_callers_at_once(served: Served, then: str) -> None:
    """Eight threads with one store: one post, one `granted` at most, and nobody is told a lie."""
    platform = served.behaving(then=then)
    intents = MemoryIntents()
    results: list[GrantResult] = []
    barrier = threading.Barrier(8)

    def call() -> None:
        barrier.wait()
        results.append(grant_sync(served, intents, settled_after=0.0))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [result.status.value for result in results]
    assert (platform.posts, platform.credits) == (1, 5)
    assert statuses.count("granted") == 1
    assert set(statuses) <= {"granted", "already_granted", "unknown"}


def test_two_tasks_at_once(served: Served) -> None:
    """The same in one event loop, with the client's own store."""
    platform = served.behaving(then="drop")

    async def main() -> list[str]:
        async with AsyncClient("k", **settings(served, None, ())) as client:
            credit = client.members.credits
            calls = [credit.grant(MEMBER, 5, key="order-1", looks=LOOKS) for _ in range(5)]
            return [result.status.value for result in await asyncio.gather(*calls)]

    statuses = asyncio.run(main())
    assert (platform.posts, platform.credits) == (1, 5)
    assert statuses.count("granted") == 1


@both
@pytest.mark.parametrize("then", ["answer", "drop"])
def test_a_restart_between_post_and_read(served: Served, grant: Granting, then: str, tmp_path: Path) -> None:
    """The process dies when the answer, or none, has come; the next one finds the claim and the entry."""
    platform = served.behaving(then=then)

    def die(exchange: Exchange) -> None:
        if exchange.method == "POST":
            raise CrashError

    with pytest.raises(CrashError):
        grant(served, FileIntents(tmp_path / "intents"), hooks=(die,))
    assert platform.posts == 1
    result = grant(served, FileIntents(tmp_path / "intents"))
    assert result.status == "already_granted"
    assert result.entry is not None
    assert (platform.posts, platform.credits) == (1, 5)


@both
def test_a_restart_between_claim_and_post(served: Served, grant: Granting, tmp_path: Path) -> None:
    """Nobody knows that nothing was sent: unknown, until the ledger proves it."""
    platform = served.behaving()
    FileIntents(tmp_path / "intents").claim(Intent("order-1", MEMBER, Decimal(5)))
    assert grant(served, FileIntents(tmp_path / "intents"), settled_after=0.0).status == "unknown"
    assert platform.posts == 0


@both
def test_a_refusal_frees_the_key(served: Served, grant: Granting) -> None:
    """Nothing was done, so the next call may."""
    platform = served.behaving(then="refuse")
    intents = MemoryIntents()
    with pytest.raises(BadRequestError):
        grant(served, intents)
    platform.then = "answer"
    assert grant(served, intents).status == "granted"
    assert (platform.posts, platform.credits) == (2, 5)


@both
@pytest.mark.parametrize("applies", [True, False])
def test_a_429_of_the_post_is_doubt(served: Served, grant: Granting, *, applies: bool) -> None:
    """It is undocumented, and may come from behind the work: the ledger is looked at, and the key stays claimed."""
    platform = served.behaving(applies=applies, then="limit")
    intents = MemoryIntents()
    assert grant(served, intents).status == ("granted" if applies else "unknown")
    platform.then = "answer"
    assert grant(served, intents).status == ("already_granted" if applies else "unknown")
    assert (platform.posts, platform.credits) == (1, 5 if applies else 0)


def test_a_refusal_after_a_doubtful_attempt_leaves_the_key_claimed(served: Served) -> None:
    """The first request may still arrive: whoever comes next looks before posting."""
    platform = served.behaving(applies=False, then="drop")
    platform.remember(mark_of("older"))
    intents = MemoryIntents()
    assert grant_sync(served, intents).status == "unknown"
    platform.then = "refuse"
    with pytest.raises(BadRequestError):
        grant_sync(served, intents, settled_after=0.0)
    assert intents.claim(Intent("order-1", MEMBER, Decimal(5))).state is ClaimState.OPEN
    assert grant_sync(served, intents).status == "unknown"
    assert platform.posts == 2


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


@both
def test_a_platform_that_is_not_there_frees_the_key(grant: Granting) -> None:
    """Nothing was sent."""
    intents = MemoryIntents()
    nowhere = Served("http://127.0.0.1:9")
    with pytest.raises(ConnectionFailedError):
        grant(nowhere, intents)
    assert intents.claim(Intent("order-1", MEMBER, Decimal(5))).state is ClaimState.NEW


@both
def test_a_ledger_that_cannot_be_read_proves_nothing(served: Served, grant: Granting) -> None:
    """Unknown, and no error that hides it."""
    platform = served.behaving(then="drop", ledger_fails=True)
    intents = MemoryIntents()
    assert grant(served, intents).status == "unknown"
    assert grant(served, intents, settled_after=0.0).status == "unknown"
    platform.ledger_fails = False
    assert grant(served, intents).status == "already_granted"
    assert platform.posts == 1


def test_a_ledger_that_may_not_be_whole_proves_nothing() -> None:
    """A server that ignores the cursor shows the same page for ever: ours may be on the next."""
    page = {"credits": [{"amount": 1, "note": mark_of("older")}], "lastCreditEntry": "x"}
    script = Script(httpx.Response(500), ok(page))
    intents = MemoryIntents()
    with script.client(intents=intents) as client:
        for _ in range(2):
            result = client.members.credits.grant(MEMBER, 5, key="k", looks=(0.0,), settled_after=0.0)
            assert result.status == "unknown"
    assert script.methods.count("POST") == 1


@pytest.mark.parametrize(("amount", "key"), [(0, "k"), (-5, "k"), (5.0, "k"), (True, "k"), (5, ""), (5, " ")])
def test_what_cannot_be_a_grant_is_refused(amount: Any, key: str) -> None:
    """Before anything is claimed or sent."""
    script = Script(ok({}))
    with script.client() as client, pytest.raises(ValueError):
        client.members.credits.grant(MEMBER, amount, key=key)
    assert script.requests == []


def test_a_key_stands_for_one_grant() -> None:
    """The same key for another amount or member is a mistake of the caller's, not a grant."""
    script = Script(ok({}, 201))
    with script.client() as client:
        grant = client.members.credits.grant
        assert grant(MEMBER, 5, key="k").status == "granted"
        assert grant(MEMBER, Decimal("5.00"), key="k").status == "already_granted"
        with pytest.raises(ValueError):
            grant(MEMBER, 6, key="k")
        with pytest.raises(ValueError):
            grant(CustomerId(43), 5, key="k")
    assert len(script.requests) == 1
