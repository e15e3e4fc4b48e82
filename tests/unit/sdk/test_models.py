"""Records are read in every documented notation, keep unknown fields, and are sent back intact."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate import (
    AnniversaryCredits,
    BenefitType,
    CreditsForOrders,
    CustomerId,
    EarlyAccessCampaign,
    FreeShipping,
    Member,
    MemberOnlyDiscount,
    MemberPricing,
    OtherBenefit,
    RecurringStoreCredits,
    SignupDiscount,
    SignupStoreCredits,
    StoreCreditsForReferral,
    Tier,
    TierId,
    WebhookSubscription,
)
from inveterate._json import read_json, write_json

from tests.support.sdk.scripted_platform import Script, ok

EVENTS = Path(__file__).parents[3] / "events"


def test_a_member_is_read_from_every_notation() -> None:
    """Money is exact, times are aware, ids are text, odd fields are named and cost nothing else."""
    snapshot = json.loads((EVENTS / "customer.updated.json").read_text())["payload"]["newData"]
    member = Member.of(
        {**snapshot, "referredBy": 17, "orderIds": [1, "2"], "new": {"x": 1}, "revenue": "oops"}
    )
    assert member.customer_id == "22978031812972"
    assert (member.credit, member.revenue) == (Decimal(10), None)
    assert member.joined_at == datetime(2025, 5, 25, 0, 27, 52, tzinfo=UTC)
    assert (member.contract_id, member.referred_by, member.order_ids) == ("82559795564", "17", ("1", "2"))
    assert member.drift == ("revenue",)
    assert member.model_extra == {"new": {"x": 1}}
    assert member.raw["revenue"] == "oops"


@pytest.mark.parametrize(
    "data",
    [{"member": {"customerId": 42}}, {"customer": {"customerId": 42}}, [{"customerId": 42}], {"id": 42}],
)
def test_a_record_is_found_in_each_place(data: Any) -> None:
    """Under a name, alone in an array, or as `data` itself."""
    with Script(ok(data)).client() as client:
        assert client.members.get(CustomerId(42)).customer_id == "42"


@pytest.mark.parametrize(
    ("benefit_type", "data", "kind"),
    [
        ("SIGNUP_STORE_CREDITS", {"creditAmount": 10, "days": 1}, SignupStoreCredits),
        ("SCHEDULED_STORE_CREDITS", {"frequency": 30}, RecurringStoreCredits),
        ("ANNIVERSARY_CREDITS", {"creditAmount": 1}, AnniversaryCredits),
        ("REFERRALS", {"creditAmount": 5}, StoreCreditsForReferral),
        ("FREE_SHIPPING", {"countries": [{"label": "France", "value": "France"}]}, FreeShipping),
        ("DISCOUNTS", {"name": "x"}, MemberOnlyDiscount),
        ("MEMBER_ONLY_PRICING", {"defaultDiscountPercentage": 5}, MemberPricing),
        ("EARLY_ACCESS", {"endDate": "2025-06-30 07:00:00 +00:00"}, EarlyAccessCampaign),
        ("WHATEVER_ORDERS", {"rewardValue": 5, "rule": "EARN_EVERY_ORDER"}, CreditsForOrders),
        ("WHATEVER_SIGNUP", {"discountType": "fixed", "value": 5, "minimumSubtotal": None}, SignupDiscount),
        ("CUSTOM_17", {"anything": True}, OtherBenefit),
        # The path's type decides, whatever type the record has.
        ("REFERRALS", {"type": "FREE_SHIPPING", "creditAmount": 5}, StoreCreditsForReferral),
    ],
)
def test_the_type_in_the_path_chooses_the_benefit(
    benefit_type: str, data: dict[str, Any], kind: type[Any]
) -> None:
    """Unknown fields are kept."""
    with Script(ok({**data, "icon": "i.svg"})).client() as client:
        benefit = client.benefits.get(BenefitType(benefit_type))
    assert type(benefit) is kind
    assert (benefit.model_extra or {})["icon"] == "i.svg"
    assert benefit.drift == ()


def test_a_benefit_goes_back_with_only_its_changes() -> None:
    """Unknown fields, odd values and the notation of times included."""
    read = {
        "name": "Early",
        "collectionIds": ["gid://shopify/Collection/1"],
        "startDate": "odd",
        "endDate": "2025-06-30 07:00:00 +00:00",
        "createdAt": "2025-06-01T00:00:00.123Z",
        "percent": Decimal("2.50"),
    }
    script = Script(httpx.Response(200, content=write_json({"data": read})), ok({}, 201))
    with script.client() as client:
        campaign = client.benefits.get(BenefitType("EARLY_ACCESS"))
        assert isinstance(campaign, EarlyAccessCampaign)
        changed = campaign.model_copy(
            update={"ends_at": datetime(2025, 7, 1, 12, tzinfo=UTC), "name": "Later"}
        )
        client.benefits.update(BenefitType("EARLY_ACCESS"), changed)
    assert (
        script.requests[1].content
        == write_json({**read, "name": "Later", "endDate": "2025-07-01 12:00:00 +00:00"}).encode()
    )


def test_the_times_of_a_campaign_keep_their_offset() -> None:
    """02:30+02:00 is sent as such; a time without an offset is refused, as its time zone is not known."""
    script = Script(ok({}, 201))
    east = timezone(timedelta(hours=2))
    moment = datetime(2025, 7, 1, 2, 30, tzinfo=east)
    campaign = EarlyAccessCampaign.of({"name": "x", "startDate": "2025-06-30 07:00:00 +00:00"})
    with script.client() as client:
        for body in (campaign.model_copy(update={"ends_at": moment}), {"endDate": moment}):
            client.benefits.update(BenefitType("EARLY_ACCESS"), body)
        for naive in (
            campaign.model_copy(update={"ends_at": moment.replace(tzinfo=None)}),
            {"endDate": moment.replace(tzinfo=None)},
        ):
            with pytest.raises(ValueError):
                client.benefits.update(BenefitType("EARLY_ACCESS"), naive)
    assert [body["endDate"] for body in script.bodies] == ["2025-07-01 02:30:00 +02:00"] * 2
    with pytest.raises(ValueError):
        EarlyAccessCampaign(ends_at=moment.replace(tzinfo=None))
    assert EarlyAccessCampaign(ends_at=moment).ends_at == moment


def test_a_billing_date_is_sent_as_a_day() -> None:
    """Also one with a time."""
    script = Script(ok({}, 201))
    day, tier = date(2026, 1, 31), TierId("6a538edc")
    with script.client() as client:
        for value in (day, datetime(2026, 1, 31, 23, 59, tzinfo=UTC)):
            client.members.change_tier(CustomerId(42), tier, next_billing_date=value)
    assert [body["nextBillingDate"] for body in script.bodies] == ["2026-01-31"] * 2


def test_a_new_benefit_has_only_the_fields_that_were_set() -> None:
    """With the path's type, and money as a number with its digits."""
    script = Script(ok({}, 201))
    benefit = FreeShipping(maximum_shipping_price=Decimal("4.90"), minimum_quantity=None)
    with script.client() as client:
        client.tiers.benefits.update(TierId("t"), BenefitType("FREE_SHIPPING"), benefit)
        client.benefits.update(BenefitType("X"), {"value": Decimal("0.10")})
    assert [request.content for request in script.requests] == [
        b'{"maximumShippingPrice":4.90,"minimumQuantity":null,"type":"FREE_SHIPPING"}',
        b'{"value":0.10,"type":"X"}',
    ]


def test_a_tier_has_its_benefits() -> None:
    """They are read where they are present; unreadable rows are left out."""
    tier = Tier.of({"segmentId": "6a538edc", "benefits": [{"type": "REFERRALS"}, None, {"type": "NEW"}]})
    assert tier.tier_id == "6a538edc"
    assert [type(benefit) for benefit in tier.benefits] == [StoreCreditsForReferral, OtherBenefit]
    assert Tier.of({"id": "x", "benefits": "none"}).benefits == ()


def test_repr_of_a_subscription_shows_no_secret() -> None:
    """Its URL may be a secret, and its token is one."""
    subscription = WebhookSubscription.of(
        {"id": "s", "callbackUrl": "https://x.example/k3y", "token": "t0k3n"}
    )
    assert "k3y" not in repr(subscription)
    assert "t0k3n" not in repr(subscription)
    assert subscription.callback_url == "https://x.example/k3y"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_json_survives_a_round_trip(value: Any) -> None:
    """Money keeps each digit."""
    assert read_json(write_json(value).encode()) == value


@pytest.mark.parametrize("value", [Decimal("NaN"), float("inf"), {1, 2}, object()])
def test_a_value_without_a_json_form_is_refused(value: object) -> None:
    """It is a ValueError before a request."""
    with pytest.raises(ValueError):
        write_json({"x": value})
