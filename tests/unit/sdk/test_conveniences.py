"""Where the platform is dangerous, this package looks first: updates, creations, subscriptions, balances."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate import (
    BadKeyError,
    BadRequestError,
    CreditEntry,
    CustomerId,
    InveterateError,
    NoRecordError,
    RefusedHereError,
    ServerError,
    TierId,
    ledger_balance,
)

from tests.unit.sdk.fakes import Script, ok

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


URL, NAME = "https://example.com/hook", "relay"


def subscription(
    topic: str, *, name: str | None = NAME, url: str = URL, number: str | None = "1"
) -> dict[str, Any]:
    """Make a row of the list."""
    row = {"topic": topic, "name": name, "callbackUrl": url, "id": number}
    return {key: value for key, value in row.items() if value is not None}


def test_subscriptions_are_created_updated_or_left_alone() -> None:
    """And what carries another name is never touched."""
    others = [
        subscription("customer.cancelled", name="klaviyo", url="https://other.example"),
        subscription("customer.ordered", name="relay-staging", url=URL, number="9"),
    ]
    script = Script(
        ok(
            [
                subscription("customer.updated"),
                subscription("customer.payment_failed", url="https://old.example", number="2"),
                *others,
            ]
        ),
        ok({}, 201),
    )
    wanted = ["customer.updated", "customer.payment_failed", "customer.cancelled", "customer.updated"]
    with script.client() as client:
        done = client.webhook_subscriptions.ensure(wanted, URL, NAME)
    assert (done.kept, done.updated, done.created) == (
        ("customer.updated",),
        ("customer.payment_failed",),
        ("customer.cancelled",),
    )
    assert (done.shared, done.failed) == (("customer.cancelled",), {})
    assert script.methods == ["GET", "PUT", "POST"]
    assert script.bodies == [
        {"topic": "customer.payment_failed", "id": "2", "callbackUrl": URL, "name": NAME},
        {"topic": "customer.cancelled", "callbackUrl": URL, "name": NAME},
    ]


def test_a_second_ensure_does_nothing() -> None:
    """Also where the platform calls the topic by its other name."""
    script = Script(ok({"subscriptions": [subscription("customer.payment_method.changed")]}))
    with script.client() as client:
        done = client.webhook_subscriptions.ensure(["customer.payment_methods.updated"], URL, NAME)
    assert done.kept == ("customer.payment_methods.updated",)
    assert script.methods == ["GET"]


def test_the_other_name_of_a_topic_is_tried_and_a_refused_topic_reported() -> None:
    """One topic that fails does not stop the others."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return ok([])
        if b"payment_methods.updated" in request.content or b"credits" in request.content:
            return httpx.Response(400, json={"message": "topic must be one of"})
        return httpx.Response(500) if b"ordered" in request.content else ok({}, 201)

    script = Script(answer)
    wanted = [
        "customer.payment_methods.updated",
        "customer.credits.expired",
        "customer.ordered",
        "customer.updated",
    ]
    with script.client() as client:
        done = client.webhook_subscriptions.ensure(wanted, URL, NAME)
    assert done.created == ("customer.payment_methods.updated", "customer.updated")
    assert {topic: type(error).__name__ for topic, error in done.failed.items()} == {
        "customer.credits.expired": "BadRequestError",
        "customer.ordered": "AmbiguousWriteError",
    }
    assert script.bodies[1]["topic"] == "customer.payment_method.changed"


def test_a_bad_key_stops_everything() -> None:
    """It is not the topic that fails."""
    script = Script(ok([]), httpx.Response(401))
    with script.client() as client, pytest.raises(BadKeyError):
        client.webhook_subscriptions.ensure(["customer.updated", "customer.ordered"], URL, NAME)
    assert script.methods == ["GET", "POST"]


@pytest.mark.parametrize(
    "rows",
    [
        [subscription("customer.updated", name=None)],
        [{"name": NAME, "callbackUrl": URL, "id": "1"}],
        [subscription("customer.updated", number=None)],
        [subscription("customer.updated"), "odd"],
    ],
)
def test_a_list_that_does_not_tell_ours_apart_is_refused(rows: list[Any]) -> None:
    """Otherwise each call would add subscriptions for ever."""
    script = Script(ok(rows))
    with script.client() as client, pytest.raises(RefusedHereError):
        client.webhook_subscriptions.ensure(["customer.ordered"], URL, NAME)
    assert script.methods == ["GET"]


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


NOW = datetime(2026, 6, 1, tzinfo=UTC)


def entry(amount: str, day: int, *, expires: int | None = None, **fields: Any) -> CreditEntry:
    """Make an entry of a day, counted from now, that expires on another."""
    told: dict[str, Any] = {"amount": amount, "createdAt": (NOW + timedelta(days=day)).isoformat(), **fields}
    if expires is not None:
        told["expirationDate"] = (NOW + timedelta(days=expires)).isoformat()
    return CreditEntry.of(told)


@pytest.mark.parametrize(
    ("entries", "balance"),
    [
        ([], "0"),
        ([entry("10", -9)], "10"),
        ([entry("10", -9), entry("5", -9, expires=-1)], "10"),
        ([entry("10", -9), entry("5", -9, expires=1)], "15"),
        # Spent in time: what was spent has not expired as well.
        ([entry("5", -9, expires=-1), entry("-5", -5)], "0"),
        ([entry("10", -9), entry("5", -9, expires=-1), entry("-3", -5)], "10"),
        # Spent after the others had expired: from what was left.
        ([entry("10", -9), entry("5", -9, expires=-3), entry("-3", -1)], "7"),
        # The ledger may or may not hold an entry of the expiry itself, with either sign.
        ([entry("5", -9, expires=-1), entry("-5", -1, reason="EXPIRED")], "0"),
        ([entry("10", -9), entry("5", -9, expires=-1), entry("5", -1, reason="EXPIRED")], "10"),
        ([entry("2.50", -9), entry("-0.20", -1)], "2.30"),
        ([entry("1", -9), entry("-3", -1)], "-2"),
        # The two balances of an entry say by how much it changed, whatever the sign of the amount.
        ([entry("10", -9), entry("4", -5, previousBalance=10, newBalance=6)], "6"),
        (
            [
                CreditEntry.of({"amount": "3"}),
                CreditEntry.of({"reason": "?"}),
                CreditEntry.of({"amount": -1}),
            ],
            "2",
        ),
    ],
)
def test_a_balance_leaves_out_what_has_expired(entries: list[CreditEntry], balance: str) -> None:
    """In whatever order the entries come."""
    assert ledger_balance(entries, NOW) == Decimal(balance)
    assert ledger_balance(reversed(entries), NOW) == Decimal(balance)


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(-30, -1), st.none() | st.integers(-29, 30)), max_size=8
    )
)
def test_without_spending_the_balance_is_the_sum_of_what_has_not_expired(
    lots: list[tuple[int, int, int | None]],
) -> None:
    """As the documentation asks."""
    entries = [entry(str(amount), day, expires=until) for amount, day, until in lots]
    expected = sum(amount for amount, _, until in lots if until is None or until > 0)
    assert ledger_balance(entries, NOW) == expected


def test_errors_of_ours_say_that_nothing_was_sent() -> None:
    """`RefusedHereError` is part of the tree, and has no status."""
    assert issubclass(RefusedHereError, InveterateError)
    assert RefusedHereError("x").status is None
    assert not issubclass(RefusedHereError, NoRecordError)
