"""Contract of a store of intents, which `members.credits.grant` relies on: the SDK's own store and the table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import pytest
from inveterate import Claim, ClaimState, Intent, Intents, MemoryIntents

from tests.support.grant_fakes import Clock, OneAtATime, ask, dynamo_intents
from tests.support.moto_tables import make_table

Making = Callable[[Clock], Intents]
T = TypeVar("T")


def memory(clock: Clock) -> Intents:
    return MemoryIntents(clock=clock.seconds)


def table(clock: Clock) -> Intents:
    return dynamo_intents(make_table("grants"), clock=clock)


@pytest.fixture
def clock() -> Clock:
    """A clock that does not move by itself."""
    return Clock()


@pytest.fixture(params=[memory, table])
def intents(request: pytest.FixtureRequest, clock: Clock) -> Intents:
    """An empty store."""
    making: Making = request.param
    return making(clock)


def test_the_first_claim_is_new(intents: Intents) -> None:
    """The first caller may post, and its claim has the requested intent."""
    assert intents.claim(ask()) == Claim(ClaimState.NEW, ask(), 1, 0.0)


def test_a_second_claim_is_open(intents: Intents, clock: Clock) -> None:
    """A later caller gets the state and the age of the claim."""
    intents.claim(ask())
    clock.pass_by(30)
    assert intents.claim(ask()) == Claim(ClaimState.OPEN, ask(), 1, 30.0)


def test_the_first_record_stays(intents: Intents) -> None:
    """Another amount or member under the same key gets the record."""
    intents.claim(ask(amount="5.10"))
    assert intents.claim(ask(amount=7, customer="43")).intent == ask(amount="5.1")


def test_granted_is_final(intents: Intents, clock: Clock) -> None:
    """No later claim, renewal or release changes that."""
    claim = intents.claim(ask())
    intents.mark_granted(claim)
    assert intents.claim(ask()).state is ClaimState.GRANTED
    assert not intents.renew(claim)
    intents.release(claim)
    clock.pass_by(3600)
    assert intents.claim(ask()).state is ClaimState.GRANTED


def test_marking_twice_is_allowed(intents: Intents) -> None:
    """Two callers that both find the entry both mark it."""
    claim = intents.claim(ask())
    intents.mark_granted(claim)
    intents.mark_granted(claim)
    assert intents.claim(ask()).state is ClaimState.GRANTED


def test_a_renewal_counts_and_restarts_the_age(intents: Intents, clock: Clock) -> None:
    """The age is that of the latest post; of several callers at the same attempt one may renew."""
    intents.claim(ask())
    clock.pass_by(700)
    seen = intents.claim(ask())
    assert intents.renew(seen)
    assert not intents.renew(seen)
    clock.pass_by(5)
    assert intents.claim(ask()) == Claim(ClaimState.OPEN, ask(), 2, 5.0)


def test_released_is_free_again(intents: Intents) -> None:
    """The next claim is new, for any amount."""
    intents.release(intents.claim(ask()))
    assert intents.claim(ask(amount=9)) == Claim(ClaimState.NEW, ask(amount=9))


def test_a_renewed_claim_is_not_released_by_an_earlier_attempt(intents: Intents) -> None:
    """Its first post was refused after another caller was allowed a second."""
    first = intents.claim(ask())
    assert intents.renew(intents.claim(ask()))
    intents.release(first)
    assert intents.claim(ask()).attempt == 2


def test_an_unrecorded_claim_is_not_renewed_or_released(intents: Intents) -> None:
    """A deleted claim allows nothing."""
    ghost = Claim(ClaimState.OPEN, ask("ghost"))
    assert not intents.renew(ghost)
    intents.release(ghost)
    assert intents.claim(ask("ghost")).state is ClaimState.NEW


def test_keys_are_independent(intents: Intents) -> None:
    """Each key has its own claim, whatever characters it has."""
    keys = ["a", "A", "a#b", "grant#a", "budget#2025-07", "ä ☂", "x" * 1_000]
    assert [intents.claim(ask(key)).state for key in keys] == ["new"] * len(keys)


def test_amounts_are_exact(intents: Intents) -> None:
    """Cents, tenths of cents and large sums come back unchanged."""
    for number, amount in enumerate(("0.01", "24.99", "0.001", "1000000", "12345.6789")):
        intents.claim(ask(f"k{number}", amount))
        assert intents.claim(ask(f"k{number}", amount)).intent.amount == Decimal(amount)


@pytest.mark.parametrize("making", [memory, table])
def test_of_many_at_once_one_is_new(making: Making, clock: Clock) -> None:
    """Sixteen threads claim the same key: one claim is new; of eight renewals one succeeds."""
    intents = making(clock)
    claims = _at_once(16, lambda: intents.claim(ask()))
    assert sorted(claim.state for claim in claims) == ["new", *["open"] * 15]
    seen = intents.claim(ask())
    assert sorted(_at_once(8, lambda: intents.renew(seen))) == [*[False] * 7, True]


def _at_once(count: int, do: Callable[[], T]) -> list[T]:
    barrier, found = threading.Barrier(count), list[T]()

    def run() -> None:
        barrier.wait()
        found.append(do())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_the_table_is_shared(clock: Clock) -> None:
    """Another process, with its own client, finds the record of the first: a restart loses nothing."""
    name = make_table("grants")
    first, second = dynamo_intents(name, clock=clock), dynamo_intents(name, clock=clock)
    assert isinstance(first.store.aws, OneAtATime)
    claim = first.claim(ask())
    assert second.claim(ask()).state is ClaimState.OPEN
    second.mark_granted(claim)
    assert first.claim(Intent("k", ask().customer_id, Decimal(5))).state is ClaimState.GRANTED
