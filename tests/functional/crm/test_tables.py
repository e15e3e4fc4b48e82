"""Circuit, rate limits and scans in real tables: what several environments share."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.circuit import DynamoCircuits
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.adapters.dynamodb.rate_limit import DynamoRateLimits
from relay.adapters.dynamodb.scans import DynamoMemberKeyScan, DynamoSyncStateScan
from relay.errors import MisconfiguredError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord, ClaimResult

from tests.contract.crm.profiles import SHOP, key_of, wanted
from tests.support.crm_fakes import MIRRORED, START
from tests.support.moto_tables import make_table

SECOND = timedelta(seconds=1)


def test_a_circuit_is_written_by_one(mirrors_table: str) -> None:
    """Of two writers that read the same version, one succeeds."""
    circuits = DynamoCircuits(mirrors_table, "hubspot")
    assert circuits.load() == CircuitRecord()
    opened = CircuitRecord(state="open", until=START, failures=2, reason="http_503", version=1)
    assert circuits.compare_and_swap(CircuitRecord(), opened)
    assert not circuits.compare_and_swap(CircuitRecord(), opened)
    assert circuits.load() == opened
    probing = replace(opened, state="half_open", version=2)
    assert circuits.compare_and_swap(opened, probing)
    assert circuits.load() == probing
    assert circuits.compare_and_swap(probing, CircuitRecord(version=3))
    assert circuits.load() == CircuitRecord(version=3)
    assert DynamoCircuits(mirrors_table, "klaviyo").load() == CircuitRecord()


def test_slots_follow_each_other(mirrors_table: str) -> None:
    """A reservation gets the slots after all earlier ones; after a pause they begin anew."""
    store = DynamoRateLimits(mirrors_table, "hubspot")

    def reserve(at: timedelta, number: int = 0) -> timedelta | None:
        begin = store.reserve(
            number, earliest=START + at - SECOND, latest=START + at + 2 * SECOND, span=SECOND
        )
        return None if begin is None else begin - START

    assert [reserve(0 * SECOND) for _ in range(4)] == [-SECOND, 0 * SECOND, SECOND, 2 * SECOND]
    assert reserve(0 * SECOND) is None, "that is too far away"
    assert reserve(0 * SECOND, number=1) == -SECOND, "another limit has its own slots"
    assert reserve(60 * SECOND) == 59 * SECOND


def test_a_page_is_of_one_target(mirrors_table: str) -> None:
    """A scan returns the sync states of its target, and nothing else in the table."""
    for target, count in (("hubspot", 230), ("klaviyo", 20)):
        sync_states = DynamoSyncStates(mirrors_table, target)
        claims = sync_states.claim([key_of(n) for n in range(10)], now=START, until=START + SECOND)
        sync_states.release_claims(
            [
                ClaimResult(profile=wanted(n), token=claims[key_of(n)].token, outcome=MIRRORED)
                for n in range(10)
            ]
        )
        for number in range(10, count):
            item = {"key": {"S": f"sync#{target}#{key_of(number)}"}, "state": {"S": "mirrored"}}
            client("dynamodb").put_item(TableName=mirrors_table, Item=item)
    DynamoCircuits(mirrors_table, "hubspot").compare_and_swap(CircuitRecord(), CircuitRecord(version=1))
    scan = DynamoSyncStateScan(mirrors_table, "hubspot")
    found: set[str] = set()
    cursor, pages = None, 0
    while True:
        page = scan.page(cursor)
        found |= {key for key, _ in page.items}
        pages, cursor = pages + 1, page.cursor
        if cursor is None:
            break
    assert found == {key_of(number) for number in range(230)}
    assert pages == 2
    scan.delete(key_of(0))
    assert key_of(0) not in dict(scan.page().items)


def test_a_run_is_stored(mirrors_table: str) -> None:
    """The progress of a long run outlives its process."""
    scan = DynamoSyncStateScan(mirrors_table, "hubspot")
    assert scan.load_run("backfill") == {}
    scan.save_run("backfill", {"sent": 3})
    assert DynamoSyncStateScan(mirrors_table, "hubspot").load_run("backfill") == {"sent": 3}
    assert scan.load_run("audit") == {}


def test_possible_emails_and_jobs_are_stored(mirrors_table: str) -> None:
    """An address that a call may have written to is kept until a call succeeds; a job until it is over."""
    sync_states = DynamoSyncStates(mirrors_table, "klaviyo")
    key = key_of(7001)

    def write(outcome: CrmOutcome, email: str) -> None:
        claim = sync_states.claim([key], now=START, until=START + SECOND, emails={key: email})[key]
        sync_states.release_claims(
            [ClaimResult(profile=wanted(email=email), token=claim.token, outcome=outcome)]
        )

    write(CrmOutcome(state="retry", unanswered=True), "one@example.com")
    write(CrmOutcome(state="pending", id="job-1"), "two@example.com")
    known = sync_states.load([key])[key]
    assert known.possible_emails == {"one@example.com", "two@example.com"}
    assert (known.job, known.job_digest) == ("job-1", wanted(email="two@example.com").digest)
    write(MIRRORED, "two@example.com")
    known = sync_states.load([key])[key]
    assert (known.possible_emails, known.job, known.job_digest, known.email) == (
        frozenset(),
        None,
        None,
        "two@example.com",
    )
    write(CrmOutcome(state="skipped", reason="no_email"), "two@example.com")
    assert sync_states.load([key])[key].email is None


def test_the_keys_are_of_the_shops_members() -> None:
    """All members of the shop, and nothing else that the table holds."""
    make_table("members")
    for key in ("rules", key_of(1), key_of(2)):
        client("dynamodb").put_item(TableName="members", Item={"pk": {"S": key}})
    page = DynamoMemberKeyScan("members", SHOP).page()
    assert (sorted(page.items), page.cursor) == ([key_of(1), key_of(2)], None)


def test_a_missing_table() -> None:
    """A table that does not exist is a setting to correct."""
    for ask in (
        DynamoCircuits("nowhere", "hubspot").load,
        DynamoSyncStateScan("nowhere", "hubspot").page,
        DynamoMemberKeyScan("nowhere", SHOP).page,
    ):
        with pytest.raises(MisconfiguredError):
            ask()
