"""Concurrent grants of one key, and restarts in between: it is granted once."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from inveterate import (
    AsyncClient,
    Claim,
    ClaimState,
    CustomerId,
    GrantResult,
    Intent,
    MemoryIntents,
    RequestLog,
)

from tests.support.sdk.grant_calls import (
    LOOKS,
    MEMBER,
    Granting,
    both,
    grant_sync,
    hourly,
    settings,
)
from tests.support.sdk.ledger_server import Served


class FileIntents:
    """Intents in a file, which survive a restart."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path, self.clock = path, clock
        self.lock = threading.Lock()

    def claim(self, intent: Intent) -> Claim:
        """Record it, or return the record."""
        with self.lock:
            recorded = self._read()
            if intent.key in recorded:
                kept = recorded[intent.key]
                age = self.clock() - kept["since"]
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

    def mark_granted(self, claim: Claim) -> None:
        """Record that it was granted."""
        with self.lock:
            self._write(Claim(ClaimState.GRANTED, claim.intent, claim.attempt))

    def release(self, claim: Claim) -> None:
        """Delete it."""
        with self.lock:
            recorded = self._read()
            del recorded[claim.intent.key]
            self.path.write_text(json.dumps(recorded))

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text())) if self.path.exists() else {}

    def _intent(self, key: str, kept: dict[str, Any]) -> Intent:
        return Intent(key, CustomerId(kept["customer"]), Decimal(kept["amount"]))

    def _write(self, claim: Claim) -> None:
        record = {
            "state": claim.state,
            "attempt": claim.attempt,
            "since": self.clock(),
            "customer": claim.intent.customer_id,
            "amount": str(claim.intent.amount),
        }
        self.path.write_text(json.dumps({**self._read(), claim.intent.key: record}))


class CrashError(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("then", ["answer", "drop", "stall"])
def test_two_callers_at_once(served: Served, then: str) -> None:
    """Eight threads with one store: one post, at most one `granted`, and no false outcome."""
    platform = served.reset(then=then)
    intents = MemoryIntents(clock=hourly())
    results: list[GrantResult] = []
    barrier = threading.Barrier(8)

    def call() -> None:
        barrier.wait()
        results.append(grant_sync(served, intents))

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
    platform = served.reset(then="drop")

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
    """The process dies after the reply, or its loss; the next one finds the claim and the entry."""
    platform = served.reset(then=then)

    def die(log: RequestLog) -> None:
        if log.method == "POST":
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
    """The next process cannot know that nothing was sent: the outcome is unknown."""
    platform = served.reset()
    FileIntents(tmp_path / "intents").claim(Intent("order-1", MEMBER, Decimal(5)))
    later = FileIntents(tmp_path / "intents", lambda: time.time() + 3600)
    assert grant(served, later).status == "unknown"
    assert platform.posts == 0
