"""Each reading of what the documentation leaves open: the SDK is right under all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from inveterate import (
    AmbiguousWriteError,
    BadKeyError,
    Client,
    CustomerId,
    ListEnd,
    MemoryIntents,
    NotFoundError,
    SubscriptionId,
    TierId,
)

from tests.support.sdk.grant_calls import hourly
from tests.support.sdk_fault_server.calls import SETTINGS, call_sync, reset, serving
from tests.support.sdk_fault_server.platform import (
    KEY,
    MEMBER,
    SWITCHES,
    Platform,
    Readings,
    with_reading,
)
from tests.support.sdk_fault_server.server import FaultServer, Reply, Request

CUSTOMER, UNKNOWN, NEW_TIER = CustomerId(MEMBER), CustomerId(7), TierId("0badcafe")
every_reading = pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: str(switch) or "default")


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """A platform behind real sockets."""
    with serving() as running:
        yield running


def create(client: Client, customer: CustomerId) -> Any:
    """Put a customer into a tier."""
    return client.members.create(customer, NEW_TIER, credits=1, birthday=date(1988, 4, 1))


@every_reading
def test_a_member_is_read(server: FaultServer, switch: dict[str, Any]) -> None:
    """The record is found in each place."""
    reset(server, with_reading(**switch))
    assert call_sync(server, lambda client: client.members.get(CUSTOMER)).first_name == "Ann"


@every_reading
def test_a_missing_member_is_one_error(server: FaultServer, switch: dict[str, Any]) -> None:
    """With a good key it is a `NotFoundError`, under each reply to an unknown id."""
    reset(server, with_reading(**switch))
    assert type(call_sync(server, lambda client: client.members.get(UNKNOWN))) is NotFoundError


@every_reading
def test_a_bad_key_is_one_error(server: FaultServer, switch: dict[str, Any]) -> None:
    """For a read, a list and a write that the platform refuses with a status; never a missing member."""
    platform = reset(server, with_reading(**switch))
    platform.key = "another"
    for use in (
        lambda client: client.members.get(CUSTOMER),
        lambda client: client.members.list(),
        lambda client: client.webhook_subscriptions.ensure(["customer.updated"], "https://x.example", "n"),
        lambda client: create(client, UNKNOWN),
    ):
        assert type(call_sync(server, use)) is BadKeyError
    outcome = call_sync(server, lambda client: client.members.credits.add(CUSTOMER, 5))
    refused = platform.readings.bad_key in {"400", "401", "403"}
    assert type(outcome) is (BadKeyError if refused else AmbiguousWriteError)
    assert platform.applied == []


@every_reading
def test_a_new_customer_is_created_and_a_member_is_not_moved(
    server: FaultServer, switch: dict[str, Any]
) -> None:
    """The read before it means "no member yet" under each reply to an unknown id."""
    platform = reset(server, with_reading(**switch))
    call_sync(server, lambda client: create(client, UNKNOWN))
    assert [request.path for request in platform.applied] == ["/v2.0/admin/members"]
    assert type(call_sync(server, lambda client: create(client, CUSTOMER))).__name__ == "RefusedLocallyError"
    assert len(platform.applied) == 1


@every_reading
def test_a_list_is_whole_or_says_so(server: FaultServer, switch: dict[str, Any]) -> None:
    """Every row once; where the cursor is not recognised, the list does not claim to be complete."""
    platform = reset(server, with_reading(**switch))
    for number in range(5):
        platform.members[str(100 + number)] = platform.members[MEMBER] | {"customerId": str(100 + number)}
    with Client(KEY, base_url=server.address, **SETTINGS) as client:
        members = client.members.list(limit=3)
        read = [member.customer_id for member in members]
        assert read == list(platform.members)[: len(read)]
        unknown = platform.readings.cursor in {"other_name", "absent"}
        assert (len(read) == len(platform.members)) is not unknown
        certain = not unknown and platform.readings.end not in {"repeated", "empty_object"}
        assert members.is_complete is certain
        if unknown:
            assert members.end is (ListEnd.UNRECOGNISED if switch.get("cap") else ListEnd.FULL_PAGE)


@every_reading
def test_subscriptions_are_created_once(server: FaultServer, switch: dict[str, Any]) -> None:
    """A second `ensure` keeps all of them, also the topic with two names."""
    platform = reset(server, with_reading(**switch))
    topics = ["customer.updated", "customer.payment_methods.updated"]
    for outcome in ("created", "kept"):
        done = call_sync(
            server, lambda client: client.webhook_subscriptions.ensure(topics, "https://x.example", "n")
        )
        assert getattr(done, outcome) == tuple(topics)
    assert len(platform.subscriptions) == 2


@every_reading
def test_a_deletion_and_a_redemption_succeed(server: FaultServer, switch: dict[str, Any]) -> None:
    """Under each success status of a DELETE, and wherever the code stands."""
    platform = reset(server, with_reading(**switch))
    assert call_sync(
        server,
        lambda client: client.webhook_subscriptions.delete(SubscriptionId("0"), "customer.updated"),
    ).data in ({}, None)
    receipt = call_sync(server, lambda client: client.storefront.members.redeem(CUSTOMER))
    code = {"data": {"code": "REDEEM+123"}, "later": {}}.get(platform.readings.code, "REDEEM+123")
    assert receipt.data == code
    assert "REDEEM" not in repr(receipt)
    assert len(platform.applied) == 2


@every_reading
@pytest.mark.parametrize("lost", ["request", "reply", None])
def test_a_grant_is_right(server: FaultServer, switch: dict[str, Any], lost: str | None) -> None:
    """At most one post that counts; `granted` only if it is, and found where the ledger shows it."""
    platform = reset(server, with_reading(**switch))
    for number in range(3):
        platform.add_old_entry(f"#grant-{number:020x}")

    def fault(platform: Platform, request: Request) -> Reply | None:
        if request.method != "POST" or lost is None:
            return None
        if lost == "reply":
            platform.answer(request)
        return Reply(wire="reset")

    platform.fault = fault
    intents = MemoryIntents(clock=hourly())
    statuses = []
    for _ in range(3):
        statuses.append(
            call_sync(
                server,
                lambda client: client.members.credits.grant(CUSTOMER, 5, key="k", looks=(0.0, 0.0, 0.0)),
                intents=intents,
            ).status.value
        )
        platform.fault = lambda _platform, _request: None
        assert platform.credits_of() <= 5
        assert statuses[-1] == "unknown" or platform.credits_of() == 5
    if lost is None:
        assert statuses == ["granted", "already_granted", "already_granted"]
    elif platform.readings.note != "hidden" and platform.readings.end not in {"repeated", "empty_object"}:
        assert (
            statuses
            == {
                "reply": ["granted", "already_granted", "already_granted"],
                "request": ["unknown", "granted", "already_granted"],
            }[lost]
        )


@pytest.mark.parametrize("cursor", ["other_name", "absent"])
def test_a_ledger_with_an_unrecognised_cursor_is_not_whole(server: FaultServer, cursor: str) -> None:
    """Our entry is on a page that is never read: its absence allows no second post."""
    platform = reset(server, Platform(Readings(cursor=cursor, cap=10)))  # type: ignore[arg-type] # a parameter
    for number in range(12):
        platform.add_old_entry(f"#grant-{number:020x}")

    def lose(platform: Platform, request: Request) -> Reply | None:
        if request.method == "GET":
            return None
        platform.answer(request)
        return Reply(wire="reset")

    platform.fault = lose
    intents = MemoryIntents(clock=hourly())
    for _ in range(3):
        outcome = call_sync(
            server,
            lambda client: client.members.credits.grant(CUSTOMER, 5, key="k", looks=(0.0,)),
            intents=intents,
        )
        assert outcome.status == "unknown"
    assert len(platform.applied) == 1
