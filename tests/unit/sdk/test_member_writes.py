"""Updates and creations of members: the member is read before a dangerous write."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from inveterate import (
    BadKeyError,
    CustomerId,
    InveterateError,
    RefusedLocallyError,
    ServerError,
    TierId,
    UnreadableReplyError,
    WrongMemberError,
)

from tests.support.sdk.scripted_platform import BAD_KEY, MERCHANT, NAME, URL, Script, ok

MEMBER, TIER = CustomerId(42), TierId("6a538edc")
PROFILE = {
    "customerId": "42",
    "firstName": "Ann",
    "lastName": None,
    "notes": "VIP",
    "phoneNumber": "+1",
    "birthday": "1988-04-01",
}


def test_an_update_sends_back_unchanged_fields() -> None:
    """Null stays null, and given fields replace those of the record."""
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
    """A field that the record lacks, or has unreadably, is named, and nothing is sent."""
    script = Script(ok(record))
    with script.client() as client, pytest.raises(RefusedLocallyError) as caught:
        client.members.update(MEMBER, notes="n")
    assert caught.value.fields == fields
    assert (caught.value.method, caught.value.path) == ("PATCH", "/v2.0/admin/members/42")
    assert script.methods == ["GET"]


def test_an_update_never_writes_one_member_over_another() -> None:
    """A platform, or a cache in front of it, may reply with another member's record."""
    script = Script(ok({**PROFILE, "customerId": "43"}))
    with script.client() as client, pytest.raises(WrongMemberError):
        client.members.update(MEMBER, notes="n")
    assert script.methods == ["GET"]


def test_an_update_of_everything_reads_nothing() -> None:
    """With all fields given there is nothing to merge."""
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


def create(script: Script, **options: Any) -> None:
    """Create a member."""
    with script.client() as client:
        client.members.create(MEMBER, TIER, credits=1, birthday=date(1988, 4, 1), **options)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(404, json={"message": "no such member"}),
        httpx.Response(400, json={"message": "no such member"}),
        ok({}),
        ok(None),
        ok({"customerId": 42, "status": "CANCELLED", "tierId": "other"}),
        ok({"customerId": 42, "status": "ACTIVE", "tierId": TIER}),
    ],
)
def test_a_customer_outside_other_tiers_is_created(reply: httpx.Response) -> None:
    """Unknown, cancelled, or a member of that tier already."""
    script = Script(reply, ok({}, 201))
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
def test_a_member_is_not_moved_without_allow_downgrade(member: dict[str, Any]) -> None:
    """Tiers have no readable rank: any other tier may be a better one."""
    script = Script(ok(member))
    with pytest.raises(RefusedLocallyError):
        create(script)
    assert script.methods == ["GET"]
    create(script, allow_downgrade=True)
    assert script.methods == ["GET", "POST"]


@pytest.mark.parametrize(
    ("reply", "merchant", "error"),
    [
        (httpx.Response(400, json={"message": "malformed"}), BAD_KEY, BadKeyError),
        (httpx.Response(404), BAD_KEY, BadKeyError),
        (httpx.Response(404), httpx.Response(500), ServerError),
        (httpx.Response(401), MERCHANT, BadKeyError),
        (httpx.Response(500), MERCHANT, ServerError),
        (httpx.Response(200, json={"message": "Internal server error"}), MERCHANT, UnreadableReplyError),
        (httpx.Response(200), MERCHANT, UnreadableReplyError),
        (ok({"customerId": 43, "tierId": TIER}), MERCHANT, WrongMemberError),
    ],
)
def test_a_failed_read_does_not_allow_the_write(
    reply: httpx.Response, merchant: httpx.Response, error: type[Exception]
) -> None:
    """Only the reply that there is no member does, with a good key."""
    script = Script(reply, merchant=merchant)
    with pytest.raises(error):
        create(script)
    assert script.methods == ["GET"]


@pytest.mark.parametrize(
    "options",
    [{"credits": 0}, {"credits": Decimal("0.5")}, {"birthday": "1.4.1988"}, {"birthday": "1988-02-31"}],
)
def test_a_body_that_the_platform_refuses_is_not_sent(options: dict[str, Any]) -> None:
    """At least one credit, and an existing date."""
    script = Script(ok({}))
    with script.client() as client, pytest.raises(ValueError):
        client.members.create(MEMBER, TIER, **{"credits": 1, "birthday": "1988-04-01", **options})
    assert script.requests == []


def test_asyncio_has_the_same_writes() -> None:
    """They are steps, written once."""
    script = Script(ok({"member": PROFILE}), ok({}, 201), ok([]), ok({}, 201), ok({}), ok({}, 201))

    async def main() -> None:
        async with script.async_client() as client:
            await client.members.update(MEMBER, notes="n")
            assert (await client.webhook_subscriptions.ensure(["customer.updated"], URL, NAME)).created
            await client.members.create(MEMBER, TIER, credits=1, birthday="1988-04-01")

    asyncio.run(main())
    assert script.methods == ["GET", "PATCH", "GET", "POST", "GET", "POST"]


def test_a_local_refusal_has_no_status() -> None:
    """`RefusedLocallyError` is part of the tree, and has no status."""
    assert issubclass(RefusedLocallyError, InveterateError)
    assert RefusedLocallyError("x").status is None
