"""A refused grant frees its key; a doubtful one keeps it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from inveterate import (
    BadKeyError,
    BadRequestError,
    ClaimState,
    ConnectionFailedError,
    CustomerId,
    Intent,
    MemoryIntents,
    StatusError,
)
from inveterate._grant import mark_of
from starlette.responses import JSONResponse

from tests.support.sdk.grant_calls import (
    MEMBER,
    Granting,
    ManualClock,
    both,
    grant_sync,
    hourly,
)
from tests.support.sdk.ledger_server import Served
from tests.support.sdk.scripted_platform import BAD_KEY, Script, ok


@both
def test_a_refusal_frees_the_key(served: Served, grant: Granting) -> None:
    """The ledger is read and proves that nothing was granted, so the next call may grant."""
    platform = served.reset(then="refuse")
    intents = MemoryIntents()
    with pytest.raises(BadRequestError):
        grant(served, intents)
    platform.then = "answer"
    assert grant(served, intents).status == "granted"
    assert (platform.posts, platform.credits) == (2, 5)


@both
@pytest.mark.parametrize("applies", [True, False])
def test_a_429_of_the_post_is_doubt(served: Served, grant: Granting, *, applies: bool) -> None:
    """It is undocumented and may come after the work: the ledger is read, and the key stays claimed."""
    platform = served.reset(applies=applies, then="limit")
    intents = MemoryIntents()
    assert grant(served, intents).status == ("granted" if applies else "unknown")
    platform.then = "answer"
    assert grant(served, intents).status == ("already_granted" if applies else "unknown")
    assert (platform.posts, platform.credits) == (1, 5 if applies else 0)


def test_a_refusal_after_a_doubtful_attempt_leaves_the_key_claimed(served: Served) -> None:
    """The first request may still arrive: the next call reads the ledger before it posts."""
    platform = served.reset(applies=False, then="drop")
    platform.add_old_entry(mark_of("older"))
    clock = ManualClock()
    intents = MemoryIntents(clock=clock)
    assert grant_sync(served, intents).status == "unknown"
    platform.then = "refuse"
    clock.pass_an_hour()
    with pytest.raises(BadRequestError):
        grant_sync(served, intents)
    assert intents.claim(Intent("order-1", MEMBER, Decimal(5))).state is ClaimState.OPEN
    assert grant_sync(served, intents).status == "unknown"
    assert platform.posts == 2


@both
def test_an_unreachable_platform_frees_the_key(grant: Granting) -> None:
    """Nothing was sent."""
    intents = MemoryIntents()
    nowhere = Served("http://127.0.0.1:9")
    with pytest.raises(ConnectionFailedError):
        grant(nowhere, intents)
    assert intents.claim(Intent("order-1", MEMBER, Decimal(5))).state is ClaimState.NEW


@both
def test_a_ledger_that_cannot_be_read_proves_nothing(served: Served, grant: Granting) -> None:
    """The outcome is unknown, and not an error of the read."""
    platform = served.reset(then="drop", ledger_fails=True)
    intents = MemoryIntents(clock=hourly())
    assert grant(served, intents).status == "unknown"
    assert grant(served, intents).status == "unknown"
    platform.ledger_fails = False
    assert grant(served, intents).status == "already_granted"
    assert platform.posts == 1


def test_a_ledger_that_may_not_be_whole_proves_nothing() -> None:
    """A server that ignores the cursor repeats one page: our entry may be on the next."""
    page = {"credits": [{"amount": 1, "note": mark_of("older")}], "lastCreditEntry": "x"}
    script = Script(httpx.Response(500), ok(page))
    intents = MemoryIntents(clock=hourly())
    with script.client(intents=intents) as client:
        for _ in range(2):
            result = client.members.credits.grant(MEMBER, 5, key="k", looks=(0.0,))
            assert result.status == "unknown"
    assert script.methods.count("POST") == 1


@pytest.mark.parametrize(("amount", "key"), [(0, "k"), (-5, "k"), (5.0, "k"), (True, "k"), (5, ""), (5, " ")])
def test_an_impossible_grant_is_refused(amount: Any, key: str) -> None:
    """It is refused before a claim or a request."""
    script = Script(ok({}))
    with script.client() as client, pytest.raises(ValueError):
        client.members.credits.grant(MEMBER, amount, key=key)
    assert script.requests == []


def test_a_key_stands_for_one_grant() -> None:
    """The same key for another amount or member is a mistake of the caller."""
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


@both
def test_a_refusal_after_the_grant_is_granted(served: Served, grant: Granting) -> None:
    """A gateway can refuse after the work: the ledger is read before the key is free again."""
    platform = served.reset()
    intents = MemoryIntents()
    original = platform.post

    async def refuse_after(request: Any) -> Any:
        await original(request)
        return JSONResponse({"message": "no"}, 422)

    platform.post = refuse_after  # type: ignore[method-assign] # one platform of this test
    assert grant(served, intents).status == "granted"
    assert grant(served, intents).status == "already_granted"
    assert (platform.posts, platform.credits) == (1, 5)


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize(
    "ledger",
    [
        httpx.Response(500),
        ok({"credits": [{"amount": 1}] * 10}),
        ok({"credits": [{"amount": 1}], "nextToken": "x"}),
        ok({"credits": [{"customerId": 43, "amount": 1}]}),
        ok({}),
    ],
)
def test_a_refused_key_stays_claimed_without_a_whole_ledger(status: int, ledger: httpx.Response) -> None:
    """A ledger that fails, may go on, is another member's, or is none, does not free the key."""
    script = Script(httpx.Response(status), ledger)
    intents = MemoryIntents()
    with script.client(intents=intents) as client, pytest.raises(StatusError):
        client.members.credits.grant(MEMBER, 5, key="k", looks=(0.0,))
    assert intents.claim(Intent("k", MEMBER, Decimal(5))).state is ClaimState.OPEN
    assert script.methods == ["POST", "GET"]


def test_a_bad_key_frees_the_key_of_a_grant() -> None:
    """The platform refuses it for the ledger as well, before any work."""
    script = Script(httpx.Response(400), merchant=BAD_KEY)
    intents = MemoryIntents()
    with script.client(intents=intents) as client, pytest.raises(BadKeyError):
        client.members.credits.grant(MEMBER, 5, key="k", looks=(0.0,))
    assert intents.claim(Intent("k", MEMBER, Decimal(5))).state is ClaimState.NEW


@pytest.mark.parametrize("seconds", [0, 0.0, -1, 59.9, float("nan")])
def test_a_short_settled_after_is_refused(seconds: float) -> None:
    """A request of another process may still be on its way."""
    script = Script(ok({}))
    with script.client() as client, pytest.raises(ValueError):
        client.members.credits.grant(MEMBER, 5, key="k", settled_after=seconds)
    assert script.requests == []
