"""The grants table: a record and its part of the month's budget are one write, and no crash parts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from inveterate import ClaimState
from relay.adapters.aws.boto import client
from relay.adapters.aws.client import RefusedCallError
from relay.adapters.dynamodb.grants import KEPT, DynamoGrantStore, DynamoIntents
from relay.errors import ConflictError, MisconfiguredError, OverBudgetError, PermanentError, TransientError
from relay.grants.granter import LATEST
from relay.ports.grants import GrantRecord, MonthlyBudget

from tests.support.grant_fakes import (
    MONTH,
    CrashError,
    OneAtATime,
    ask,
    dynamo_intents,
    grant_store,
)
from tests.support.moto_tables import make_table
from tests.support.port_fakes import NOW

TEN = MonthlyBudget(month=MONTH, ceiling=Decimal(10))


@pytest.fixture
def table() -> str:
    """Return an empty table."""
    return make_table("grants")


def items(table: str) -> dict[str, Any]:
    """Return all that the table has, by key."""
    return {item["key"]["S"]: item for item in client("dynamodb").scan(TableName=table)["Items"]}


def reserved(table: str) -> float:
    return float(grant_store(table).claimed(MONTH))


def dying(table: str, moment: str) -> DynamoIntents:
    """Return the intents of a process that dies before or after its first write."""
    if moment == "before":
        return dynamo_intents(table, TEN, before=dies(1))
    return dynamo_intents(table, TEN, after=dies(1))


def dies(at: int) -> Callable[[int], None]:
    """Return what makes the process die at the n-th write."""

    def die(number: int) -> None:
        if number == at:
            raise CrashError

    return die


def refused(code: str, *reasons: str, times: int = 1) -> Callable[[int], None]:
    """Return what makes the first writes fail as DynamoDB would."""

    def refuse(number: int) -> None:
        if number <= times:
            fields = {"CancellationReasons": [{"Code": reason} for reason in reasons]}
            raise RefusedCallError(code, 400, fields)

    return refuse


def test_a_claim_is_a_record(table: str) -> None:
    """It has the member, the amount and the effect, and counts under its month."""
    store = grant_store(table)
    assert (store.load("k"), reserved(table)) == (None, 0)
    intents = store.intents(TEN, "event.rule")
    claim = intents.claim(ask(amount="5.50"))
    expected = GrantRecord(customer_id="42", amount=Decimal("5.5"), by="event.rule", at=store.clock())
    assert (store.load("k"), reserved(table)) == (expected, 5.5)
    intents.mark_granted(claim)
    loaded = store.load("k")
    assert loaded
    assert (loaded.granted, loaded.by, reserved(table)) == (True, "event.rule", 5.5)


def test_what_does_not_fit_is_not_claimed(table: str) -> None:
    """To the cent; an existing record is returned even where the month is full, or the ceiling lowered."""
    store = grant_store(table)
    store.intents(TEN, "").claim(ask("a", "9.99"))
    with pytest.raises(OverBudgetError):
        store.intents(TEN, "").claim(ask("b", "0.02"))
    assert store.load("b") is None
    store.intents(TEN, "").claim(ask("c", "0.01"))
    assert reserved(table) == 10
    low = MonthlyBudget(month=MONTH, ceiling=Decimal(1))
    assert store.intents(low, "").claim(ask("a", "9.99")).state is ClaimState.OPEN
    with pytest.raises(OverBudgetError):
        store.intents(low, "").claim(ask("d", 2))


def test_months_are_counted_apart(table: str) -> None:
    """A new month begins with nothing reserved."""
    store = grant_store(table)
    store.intents(TEN, "").claim(ask("a", 10))
    store.intents(MonthlyBudget(month="2025-08", ceiling=Decimal(10)), "").claim(ask("b", 10))
    assert store.claimed(MONTH) == store.claimed("2025-08") == 10


def test_released_gives_its_part_back_to_its_own_month(table: str) -> None:
    """Whoever releases it, and whatever month they are in: the claim knows where it counts."""
    store = grant_store(table)
    claim = store.intents(TEN, "").claim(ask(amount=4))
    store.intents(TEN, "").claim(ask("other", 3))
    store.intents(MonthlyBudget(month="2025-08", ceiling=Decimal(0)), "").release(claim)
    assert (store.load("k"), reserved(table)) == (None, 3)
    assert store.claimed("2025-08") == 0
    store.intents(TEN, "").release(claim)
    assert reserved(table) == 3


def test_without_an_allowance_nothing_new_is_claimed(table: str) -> None:
    """An existing record is returned; a missing one is not written."""
    store = grant_store(table)
    with pytest.raises(ConflictError):
        store.intents(None, "").claim(ask())
    store.intents(TEN, "").claim(ask())
    assert store.intents(None, "").claim(ask()).state is ClaimState.OPEN


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_in_a_claim(table: str, moment: str) -> None:
    """Claimed and counted, or neither."""
    with pytest.raises(CrashError):
        dying(table, moment).claim(ask())
    assert (len(items(table)), reserved(table)) == ((0, 0) if moment == "before" else (2, 5))
    again = dynamo_intents(table, TEN).claim(ask())
    assert again.state is (ClaimState.NEW if moment == "before" else ClaimState.OPEN)
    assert reserved(table) == 5


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_in_a_release(table: str, moment: str) -> None:
    """Given back and forgotten, or neither."""
    claim = dynamo_intents(table, TEN).claim(ask())
    with pytest.raises(CrashError):
        dying(table, moment).release(claim)
    kept = moment == "before"
    assert (grant_store(table).load("k") is not None, reserved(table)) == (kept, 5 if kept else 0)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_in_a_settlement_or_a_renewal(table: str, moment: str) -> None:
    """Either it is written or it can be written again; the month is not touched."""
    claim = dynamo_intents(table, TEN).claim(ask())
    with pytest.raises(CrashError):
        dying(table, moment).renew(claim)
    assert dynamo_intents(table, TEN).claim(ask()).attempt == (1 if moment == "before" else 2)
    with pytest.raises(CrashError):
        dying(table, moment).mark_granted(claim)
    dynamo_intents(table, TEN).mark_granted(claim)
    assert (dynamo_intents(table, TEN).claim(ask()).state, reserved(table)) == (ClaimState.GRANTED, 5)


def test_others_in_the_way_of_a_claim(table: str) -> None:
    """The request is deferred: nothing is written, and nothing counts as written."""
    conflict = refused("TransactionCanceledException", "None", "TransactionConflict")
    with pytest.raises(TransientError, match="TransactionConflict"):
        dynamo_intents(table, TEN, before=conflict).claim(ask())
    assert items(table) == {}


@pytest.mark.parametrize("reason", ["ValidationError", "ItemCollectionSizeLimitExceeded"])
def test_a_claim_that_can_never_be_written(table: str, reason: str) -> None:
    """The request goes to the dead letters: tried for three days, it would be refused each time."""
    never = refused("TransactionCanceledException", reason, "TransactionConflict")
    with pytest.raises(PermanentError, match=reason):
        dynamo_intents(table, TEN, before=never).claim(ask())
    assert items(table) == {}


def test_others_in_the_way_of_a_settlement(table: str) -> None:
    """It is tried again at once: what is known only here must not be lost; but not for ever."""
    claim = dynamo_intents(table, TEN).claim(ask())
    dynamo_intents(table, TEN, before=refused("TransactionConflictException", times=2)).mark_granted(claim)
    assert dynamo_intents(table, TEN).claim(ask()).state is ClaimState.GRANTED
    with pytest.raises(TransientError):
        dynamo_intents(table, TEN, before=refused("TransactionConflictException", times=3)).mark_granted(
            claim
        )


def test_a_missing_table_or_permission_names_itself() -> None:
    """A person has to mend that."""
    with pytest.raises(MisconfiguredError, match="table grants"):
        dynamo_intents("grants").claim(ask())


def test_a_claim_that_comes_and_goes(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another invocation claims it after each read and releases it before the next: given up, not looped over."""
    other = dynamo_intents(table, TEN)
    held: list[Any] = []

    def meddle(_number: int) -> None:
        held.append(other.claim(ask()))

    mine = dynamo_intents(table, TEN, before=meddle)
    aws = mine.store.aws
    real = aws.call

    def call(service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True) -> Any:
        while operation == "GetItem" and held:
            other.release(held.pop())
        return real(service, operation, body, repeatable=repeatable)

    monkeypatch.setattr(aws, "call", call)
    with pytest.raises(ConflictError):
        mine.claim(ask())


def test_everything_is_forgotten_one_day(table: str) -> None:
    """By the attribute that the template names, in seconds, long after the last event that could ask again."""
    clock = NOW
    store = DynamoGrantStore(table, lambda: clock, OneAtATime())
    intents = store.intents(TEN, "")
    claim = intents.claim(ask())
    expires = {key: int(item["expires"]["N"]) for key, item in items(table).items()}
    assert expires == dict.fromkeys(["grant#k", f"budget#{MONTH}"], int((NOW + KEPT).timestamp()))
    assert KEPT > 2 * LATEST
    clock = NOW + LATEST
    intents.mark_granted(claim)
    assert int(items(table)["grant#k"]["expires"]["N"]) == int((clock + KEPT).timestamp())
