"""A reply about another member is refused, by every call that names a member."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from inveterate import AmbiguousWriteError, AsyncPages, CustomerId, Pages, TierId, WrongMemberError, v1

from tests.support.sdk.scripted_platform import KEY, Script, ok

MEMBER = CustomerId(42)
READS: dict[str, Callable[[Any], Any]] = {
    "members.get": lambda client: client.members.get(MEMBER),
    "members.credits.list": lambda client: client.members.credits.list(MEMBER),
    "storefront.members.get": lambda client: client.storefront.members.get(MEMBER),
    "storefront.members.credits": lambda client: client.storefront.members.credits(MEMBER),
    "storefront.tiers.get": lambda client: client.storefront.tiers.get(MEMBER),
    "storefront.tiers.benefits": lambda client: client.storefront.tiers.benefits(MEMBER),
    "storefront.tiers.campaigns": lambda client: client.storefront.tiers.campaigns(MEMBER),
}
WRITES: dict[str, Callable[[Any], Any]] = {
    "members.credits.add": lambda client: client.members.credits.add(MEMBER, 5),
    "members.change_tier": lambda client: client.members.change_tier(MEMBER, TierId("t")),
    "members.update": lambda client: client.members.update(
        MEMBER, first_name="A", last_name="B", notes="", phone_number="", birthday=""
    ),
    "members.create": lambda client: client.members.create(
        MEMBER, TierId("t"), credits=1, birthday="1988-04-01", allow_downgrade=True
    ),
    "storefront.members.redeem": lambda client: client.storefront.members.redeem(MEMBER),
    "storefront.members.cancel": lambda client: client.storefront.members.cancel(MEMBER),
}
STRANGER = {"customerId": 999, "email": "stranger@example.com", "tierId": "t", "amount": 5}
SHAPES: list[Any] = [
    STRANGER,
    [STRANGER],
    {"member": STRANGER},
    {"data": STRANGER},
    {"credits": [{"customerId": "42", "amount": 1}, STRANGER]},
    {"customerId": "gid://shopify/Customer/999", "benefits": [], "campaigns": [], "credits": []},
]
every_shape = pytest.mark.parametrize("data", SHAPES, ids=range(len(SHAPES)))


@every_shape
@pytest.mark.parametrize("name", READS)
def test_a_read_of_another_member_is_refused(name: str, data: Any) -> None:
    """On both clients, wherever the id stands; the error does not show the other member."""

    def read() -> None:
        with Script(ok(data)).client() as client:
            result = READS[name](client)
            list(result) if isinstance(result, Pages) else None

    async def read_async() -> None:
        async with Script(ok(data)).async_client() as client:
            result = READS[name](client)
            [row async for row in result] if isinstance(result, AsyncPages) else await result

    with pytest.raises(WrongMemberError) as caught:
        read()
    assert "999" not in str(caught.value)
    with pytest.raises(WrongMemberError):
        asyncio.run(read_async())


@every_shape
@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_was_answered_for_another_member_is_ambiguous(name: str, data: Any) -> None:
    """The cause is the typed error."""
    with Script(ok(data, 201)).client() as client, pytest.raises(AmbiguousWriteError) as caught:
        WRITES[name](client)
    assert type(caught.value.__cause__) is WrongMemberError


@pytest.mark.parametrize(
    "data", [{"id": 999}, {"customerId": None, "id": 999}, {"customerId": "x", "id": 999}]
)
def test_the_id_of_a_record_counts_where_it_is_the_only_one(data: Any) -> None:
    """A record may have its customer id under `id`."""
    with Script(ok(data)).client() as client, pytest.raises(WrongMemberError):
        client.members.get(MEMBER)


@pytest.mark.parametrize("written", [42, "42", " 42 ", "gid://shopify/Customer/42"])
def test_the_member_is_accepted_in_every_notation(written: Any) -> None:
    """A number, text, or a GID."""
    with Script(ok({"customerId": written})).client() as client:
        assert client.members.get(MEMBER).customer_id == MEMBER


def test_lists_of_all_members_name_none() -> None:
    """Their rows are of any member."""
    with Script(ok([{"customerId": 1}, {"customerId": 2}])).client() as client:
        assert len(list(client.members.list())) == 2


def test_v1_checks_the_member_as_well() -> None:
    """Also where the id is in the query or in the body."""
    reply = httpx.Response(200, json={"success": True, "data": STRANGER, "errors": []})
    with (
        warnings.catch_warnings(),
        v1.Client(KEY, transport=httpx.MockTransport(Script(reply))) as client,
    ):
        warnings.simplefilter("ignore", DeprecationWarning)
        reads: list[Callable[[], Any]] = [
            lambda: client.customers.get(MEMBER),
            lambda: client.credits.list(MEMBER),
        ]
        for read in reads:
            with pytest.raises(WrongMemberError):
                read()
        writes: list[Callable[[], Any]] = [
            lambda: client.credits.add(MEMBER, 5),
            lambda: client.customers.cancel(MEMBER, "shop"),
            lambda: client.redemption.create(MEMBER, 5, "shop"),
            lambda: client.free_tier.signup("shop", MEMBER),
        ]
        for write in writes:
            with pytest.raises(AmbiguousWriteError):
                write()
