"""Arguments that are refused before a request is sent: impossible ids and amounts."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from inveterate import (
    BenefitType,
    CustomerId,
    SubscriptionId,
    TierId,
)

from tests.support.sdk.scripted_platform import Script, ok

MEMBER = CustomerId(42)


def test_ids_are_read_quoted_and_kept_apart() -> None:
    """A GID is its digits; a slash stays in its segment; one kind of id is not another."""
    assert CustomerId("gid://shopify/Customer/42") == CustomerId(42) == "42"
    assert CustomerId(CustomerId(42)) == "42"
    script = Script(ok({"type": "X"}))
    with script.client() as client:
        client.tiers.benefits.get(TierId("a/../b?c#d%2F"), BenefitType("ü x"))
    assert script.requests[0].url.raw_path == b"/v2.0/admin/tiers/a%2F..%2Fb%3Fc%23d%252F/benefits/%C3%BC%20x"
    with pytest.raises(TypeError):
        CustomerId(TierId("12345678"))
    with pytest.raises(TypeError):
        TierId(CustomerId(42))
    with pytest.raises(ValueError):
        CustomerId("gid://shopify/Product/42")
    assert repr(SubscriptionId("s")) == "'s'"


@pytest.mark.parametrize("wrong", ["", " ", ".", "..", "a\nb", "x" * 201, None, True, 1.5, ["a"]])
def test_an_id_that_changes_the_path_is_refused(wrong: Any) -> None:
    """An empty id reads a list, and `..` reads the parent."""
    for kind in (TierId, BenefitType, SubscriptionId, CustomerId):
        with pytest.raises(ValueError):
            kind(wrong)


def test_an_impossible_argument_is_refused_before_a_request() -> None:
    """It is a ValueError of the call, on both clients."""
    script = Script(ok({}))
    bad: Any = "not a number"
    with script.client() as client:
        for act in (
            lambda: client.members.get(bad),
            lambda: client.members.credits.add(MEMBER, 0),
            lambda: client.members.credits.add(MEMBER, 0.1),  # type: ignore[arg-type] # a float is not money
            lambda: client.members.credits.add(MEMBER, Decimal("NaN")),
            lambda: client.storefront.members.redeem(MEMBER, 5),
            lambda: client.storefront.members.redeem(MEMBER, -5, undocumented_amount=True),
        ):
            with pytest.raises(ValueError):
                act()

    async def main() -> None:
        async with script.async_client() as client:
            with pytest.raises(ValueError):
                await client.members.get(bad)

    asyncio.run(main())
    assert script.requests == []
