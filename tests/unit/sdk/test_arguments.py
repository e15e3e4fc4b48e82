"""What the SDK refuses before anything is sent: ids that would lead elsewhere, arguments that cannot be."""

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

from tests.unit.sdk.fakes import Script, ok

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
def test_an_id_that_would_lead_elsewhere_is_refused(wrong: Any) -> None:
    """An empty one is a list, and `..` climbs up."""
    for kind in (TierId, BenefitType, SubscriptionId, CustomerId):
        with pytest.raises(ValueError):
            kind(wrong)


def test_an_argument_that_cannot_be_is_refused_before_anything_is_sent() -> None:
    """With a ValueError, on both clients, at the call."""
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
