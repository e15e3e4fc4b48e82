"""Where the platform is dangerous, this package looks first: updates and creations."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from inveterate import (
    BadKeyError,
    BadRequestError,
    CustomerId,
    InveterateError,
    NoRecordError,
    RefusedHereError,
    ServerError,
    TierId,
)

from tests.unit.sdk.fakes import NAME, URL, Script, ok

MEMBER, TIER = CustomerId(42), TierId("6a538edc")
PROFILE = {
    "customerId": "42",
    "firstName": "Ann",
    "lastName": None,
    "notes": "VIP",
    "phoneNumber": "+1",
    "birthday": "1988-04-01",
}


def test_an_update_sends_back_what_it_does_not_change() -> None:
    """Null stays null, and what is given wins."""
    script = Script(ok({"member": PROFILE}), ok({}, 201))
    with script.client() as client:
        client.members.update(MEMBER, first_name="Bea", notes="")
    assert script.methods == ["GET", "PATCH"]
    assert script.bodies == [
        {"firstName": "Bea", "lastName": None, "notes": "", "phoneNumber": "+1", "birthday": "1988-04-01"}
    ]


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"customerId": 42}, ("first_name", "last_name", "phone_number", "birthday")),
        ({**PROFILE, "phoneNumber": {"country": 1}}, ("phone_number",)),
        ({key: value for key, value in PROFILE.items() if key != "birthday"}, ("birthday",)),
    ],
)
def test_an_update_that_would_wipe_a_field_is_refused(
    record: dict[str, Any], fields: tuple[str, ...]
) -> None:
    """What the record does not show, or shows unreadably, is named, and nothing is sent."""
    script = Script(ok(record))
    with script.client() as client, pytest.raises(RefusedHereError) as caught:
        client.members.update(MEMBER, notes="n")
    assert caught.value.fields == fields
    assert (caught.value.method, caught.value.path) == ("PATCH", "/v2.0/admin/members/42")
    assert script.methods == ["GET"]


def test_an_update_never_writes_one_member_over_another() -> None:
    """A platform, or a cache before it, that answers with somebody else's record."""
    script = Script(ok({**PROFILE, "customerId": "43"}))
    with script.client() as client, pytest.raises(RefusedHereError) as caught:
        client.members.update(MEMBER, notes="n")
    assert caught.value.fields == ("customer_id",)
    assert script.methods == ["GET"]


def test_an_update_of_everything_reads_nothing() -> None:
    """There is nothing to merge."""
    script = Script(ok({}, 201))
    with script.client() as client:
        client.members.update(
            MEMBER,
            first_name="A",
            last_name="B",
            notes="",
            phone_number="",
            birthday=datetime(1988, 4, 1, tzinfo=UTC),
        )
    assert script.methods == ["PATCH"]
    assert script.bodies[0]["birthday"] == "1988-04-01"


def create(script: Script, **terms: Any) -> None:
    """Create a member."""
    with script.client() as client:
        client.members.create(MEMBER, TIER, credits=1, birthday=date(1988, 4, 1), **terms)


@pytest.mark.parametrize(
    "looked",
    [
        httpx.Response(404, json={"message": "no such member"}),
        ok({}),
        ok(None),
        ok({"customerId": 42, "status": "CANCELLED", "tierId": "other"}),
        ok({"customerId": 42, "status": "ACTIVE", "tierId": TIER}),
    ],
)
def test_a_customer_who_is_no_member_of_another_tier_is_created(looked: httpx.Response) -> None:
    """Unknown, gone, or in that tier already."""
    script = Script(looked, ok({}, 201))
    create(script)
    assert script.bodies == [
        {
            "customerId": "42",
            "referrals": "false",
            "segmentId": "6a538edc",
            "overrideSpendThreshold": False,
            "keepInSpendBasedTier": False,
            "credits": 1,
            "birthday": "1988-04-01",
        }
    ]


@pytest.mark.parametrize(
    "member",
    [
        {"customerId": 42, "status": "ACTIVE", "tierId": "other"},
        {"customerId": 42, "status": "PENDING_CANCELLATION", "tierId": "other"},
        {"customerId": 42, "tierId": "other"},
        {"customerId": 42, "status": "ACTIVE"},
    ],
)
def test_a_member_is_not_moved_down_unless_one_says_so(member: dict[str, Any]) -> None:
    """Tiers have no rank that one could read: any other tier may be a better one."""
    script = Script(ok(member))
    with pytest.raises(RefusedHereError):
        create(script)
    assert script.methods == ["GET"]
    create(script, allow_downgrade=True)
    assert script.methods == ["GET", "POST"]


@pytest.mark.parametrize(
    ("looked", "error"),
    [
        (httpx.Response(400, json={"message": "malformed"}), BadRequestError),
        (httpx.Response(401), BadKeyError),
        (httpx.Response(500), ServerError),
    ],
)
def test_a_look_that_fails_is_no_leave_to_go_on(looked: httpx.Response, error: type[Exception]) -> None:
    """Only "there is none" is."""
    script = Script(looked)
    with pytest.raises(error):
        create(script)
    assert script.methods == ["GET"]


@pytest.mark.parametrize(
    "terms",
    [{"credits": 0}, {"credits": Decimal("0.5")}, {"birthday": "1.4.1988"}, {"birthday": "1988-02-31"}],
)
def test_what_the_platform_would_refuse_is_not_sent(terms: dict[str, Any]) -> None:
    """At least one credit, and a date that exists."""
    script = Script(ok({}))
    with script.client() as client, pytest.raises(ValueError):
        client.members.create(MEMBER, TIER, **{"credits": 1, "birthday": "1988-04-01", **terms})
    assert script.requests == []


def test_conveniences_are_the_same_with_asyncio() -> None:
    """They are conversations: written once."""
    script = Script(ok({"member": PROFILE}), ok({}, 201), ok([]), ok({}, 201), ok({}), ok({}, 201))

    async def main() -> None:
        async with script.async_client() as client:
            await client.members.update(MEMBER, notes="n")
            assert (await client.webhook_subscriptions.ensure(["customer.updated"], URL, NAME)).created
            await client.members.create(MEMBER, TIER, credits=1, birthday="1988-04-01")

    asyncio.run(main())
    assert script.methods == ["GET", "PATCH", "GET", "POST", "GET", "POST"]


def test_errors_of_ours_say_that_nothing_was_sent() -> None:
    """`RefusedHereError` is part of the tree, and has no status."""
    assert issubclass(RefusedHereError, InveterateError)
    assert RefusedHereError("x").status is None
    assert not issubclass(RefusedHereError, NoRecordError)
