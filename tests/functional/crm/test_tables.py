"""Gate, turnstiles, inventory and roll in real tables: what several environments share."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.circuit import DynamoCircuits
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.adapters.dynamodb.member_key_scan import DynamoMemberKeyScan
from relay.adapters.dynamodb.rate_limit import DynamoRateLimits
from relay.adapters.dynamodb.sync_state_scan import DynamoSyncStateScan
from relay.errors import MisconfiguredError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord, ClaimResult

from tests.contract.crm.profiles import SHOP, key_of, wanted
from tests.support.crm_fakes import MIRRORED, START
from tests.support.moto_tables import make_table

SECOND = timedelta(seconds=1)


def test_a_gate_is_written_by_one(mirrors_table: str) -> None:
    """Of two that read the same, one writes; the other is told."""
    gates = DynamoCircuits(mirrors_table, "hubspot")
    assert gates.load() == CircuitRecord()
    closed = CircuitRecord(until=START, failures=2, reason="http_503", version=1)
    assert gates.swap(CircuitRecord(), closed)
    assert not gates.swap(CircuitRecord(), closed)
    assert gates.load() == closed
    trying = replace(closed, trying=True, version=2)
    assert gates.swap(closed, trying)
    assert gates.load() == trying
    assert gates.swap(trying, CircuitRecord(version=3))
    assert gates.load() == CircuitRecord(version=3)
    assert DynamoCircuits(mirrors_table, "klaviyo").load() == CircuitRecord()


def test_turns_follow_each_other(mirrors_table: str) -> None:
    """Whoever takes turns gets the ones after those of the others; after a pause they begin anew."""
    turnstiles = DynamoRateLimits(mirrors_table, "hubspot")

    def lease(at: timedelta, number: int = 0) -> timedelta | None:
        begin = turnstiles.lease(
            number, earliest=START + at - SECOND, latest=START + at + 2 * SECOND, span=SECOND
        )
        return None if begin is None else begin - START

    assert [lease(0 * SECOND) for _ in range(4)] == [-SECOND, 0 * SECOND, SECOND, 2 * SECOND]
    assert lease(0 * SECOND) is None, "that is too far away"
    assert lease(0 * SECOND, number=1) == -SECOND, "another rate has its own"
    assert lease(60 * SECOND) == 59 * SECOND


def test_a_page_is_of_one_target(mirrors_table: str) -> None:
    """An inventory goes through what was noted of its target, and through nothing else in the table."""
    for target, count in (("hubspot", 230), ("klaviyo", 20)):
        mirrors = DynamoSyncStates(mirrors_table, target)
        claims = mirrors.claim([key_of(n) for n in range(10)], now=START, until=START + SECOND)
        mirrors.settle(
            [
                ClaimResult(profile=wanted(n), token=claims[key_of(n)].token, outcome=MIRRORED)
                for n in range(10)
            ]
        )
        for number in range(10, count):
            item = {"key": {"S": f"{target}#{key_of(number)}"}, "state": {"S": "mirrored"}}
            client("dynamodb").put_item(TableName=mirrors_table, Item=item)
    DynamoCircuits(mirrors_table, "hubspot").swap(CircuitRecord(), CircuitRecord(version=1))
    inventory = DynamoSyncStateScan(mirrors_table, "hubspot")
    found: set[str] = set()
    cursor, pages = None, 0
    while True:
        page = inventory.page(cursor)
        found |= page.mirrors.keys()
        pages, cursor = pages + 1, page.cursor
        if cursor is None:
            break
    assert found == {key_of(number) for number in range(230)}
    assert pages == 2
    inventory.forget(key_of(0))
    assert key_of(0) not in inventory.page().mirrors


def test_a_run_is_noted(mirrors_table: str) -> None:
    """Where a long run stands outlives whoever runs it."""
    inventory = DynamoSyncStateScan(mirrors_table, "hubspot")
    assert inventory.run("fill") == {}
    inventory.note("fill", {"sent": 3})
    assert DynamoSyncStateScan(mirrors_table, "hubspot").run("fill") == {"sent": 3}
    assert inventory.run("audit") == {}


def test_strays_and_jobs_are_remembered(mirrors_table: str) -> None:
    """An address that a call may have written to is known until a call succeeds; a job until it is over."""
    mirrors = DynamoSyncStates(mirrors_table, "klaviyo")
    key = key_of(7001)

    def settle(outcome: CrmOutcome, email: str) -> None:
        claim = mirrors.claim([key], now=START, until=START + SECOND, emails={key: email})[key]
        mirrors.settle([ClaimResult(profile=wanted(email=email), token=claim.token, outcome=outcome)])

    settle(CrmOutcome(state="retry", unanswered=True), "one@example.com")
    settle(CrmOutcome(state="pending", id="job-1"), "two@example.com")
    known = mirrors.load([key])[key]
    assert known.strays == {"one@example.com", "two@example.com"}
    assert (known.job, known.offered) == ("job-1", wanted(email="two@example.com").digest)
    settle(MIRRORED, "two@example.com")
    known = mirrors.load([key])[key]
    assert (known.strays, known.job, known.offered, known.email) == (
        frozenset(),
        None,
        None,
        "two@example.com",
    )
    settle(CrmOutcome(state="skipped", reason="no_email"), "two@example.com")
    assert mirrors.load([key])[key].email is None


def test_the_roll_is_of_the_shops_members() -> None:
    """All members of the shop, and nothing else that the table holds."""
    make_table("members")
    for key in ("rules", key_of(1), key_of(2)):
        client("dynamodb").put_item(TableName="members", Item={"pk": {"S": key}})
    keys, cursor = DynamoMemberKeyScan("members", SHOP).keys()
    assert (sorted(keys), cursor) == ([key_of(1), key_of(2)], None)


def test_a_missing_table() -> None:
    """A table that is not there is a setting to mend."""
    for ask in (
        DynamoCircuits("nowhere", "hubspot").load,
        DynamoSyncStateScan("nowhere", "hubspot").page,
        DynamoMemberKeyScan("nowhere", SHOP).keys,
    ):
        with pytest.raises(MisconfiguredError):
            ask()
