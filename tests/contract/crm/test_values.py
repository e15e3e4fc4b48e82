"""The record's values arrive unchanged, typed and under the agreed names: fields, amounts, texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from relay.rules.crm_profile import CRM_FIELDS

from tests.contract.crm.profiles import AT, key_of, wanted
from tests.contract.crm.setups import CrmTestSetup

KEY = key_of(7001)


def test_all_fields_arrive(setup: CrmTestSetup) -> None:
    """Known fields are in the CRM under the canonical names, typed; unknown ones are absent."""
    known = wanted(
        tier_id="t1",
        tier_name="Gold",
        tier_type="paid",
        joined_at=AT,
        next_payment_on=date(2026, 12, 5),
        credit_balance=Decimal("24.99"),
        failed_attempts=1,
        referrals_count=3,
        revenue=Decimal(900),
    )
    # A checkbox that is false could as well be unknown.
    known = replace(known, values={**known.values, "high_value": True})
    assert setup.crm.upsert([known])[KEY].state == "mirrored"
    shown = setup.shown(KEY)
    assert shown is not None
    assert shown["status"] == "past_due"
    assert (shown["failed_attempts"], shown["attempts_left"]) == ("1", "2")
    assert shown["shopify_customer_id"] == "7001"
    assert shown.keys() == {name for name in CRM_FIELDS if known.values[name] is not None}


def test_clearing(setup: CrmTestSetup) -> None:
    """A field that is no longer known is cleared in the CRM."""
    setup.crm.upsert([wanted(last_decline_text="card_declined", failed_attempts=1)])
    setup.crm.upsert([wanted(last_payment_at=AT)])
    shown = setup.shown(KEY)
    assert shown is not None
    assert shown["payment_status"] == "ok"
    assert not {"last_decline_code", "failed_attempts", "attempts_left"} & shown.keys()


def test_decimal(setup: CrmTestSetup) -> None:
    """Amounts arrive in cents, as plain numbers, whatever the platform's rounding."""
    amounts = {
        "credit_balance": Decimal("0.30000000000000004"),
        "revenue": Decimal("1E+3"),
        "last_credit_delta": Decimal("-0.10"),
        "fee_amount": Decimal(str(0.1)) + Decimal(str(0.2)),
    }
    setup.crm.upsert([wanted(**amounts)])
    shown = setup.shown(KEY)
    assert shown is not None
    assert [shown[name] for name in amounts] == ["0.3", "1000", "-0.1", "0.3"]


def test_tier_rename(setup: CrmTestSetup) -> None:
    """A tier's new name, never seen before, arrives like any other; its id stays."""
    for name in ("Gold", "Gold 2.0, “früher Gold”"):
        assert setup.crm.upsert([wanted(tier_id="t1", tier_name=name)])[KEY].state == "mirrored"
        shown = setup.shown(KEY)
        assert shown is not None
        assert (shown["tier_id"], shown["tier_name"]) == ("t1", name)


@pytest.mark.parametrize(
    "name",
    ["<!channel> & <b>", "王芳 🥇", 'a"b\\c\nd', "{{ contact.email }}", "x" * 5000, "\u200b"],
    ids=["markup", "characters", "quotes", "template", "long", "nothing_to_see"],
)
def test_hostile_name(setup: CrmTestSetup, name: str) -> None:
    """A text arrives unchanged, and does no harm."""
    assert setup.crm.upsert([wanted(tier_name=name, last_credit_reason=name)])[KEY].state == "mirrored"
    shown = setup.shown(KEY)
    assert shown is not None
    kept = name[: setup.longest_text]
    assert (shown["tier_name"], shown["last_credit_reason"]) == (kept, kept)


def test_half_a_character(setup: CrmTestSetup) -> None:
    """Half of a surrogate pair, possible in JSON and impossible in UTF-8, does not affect other members."""
    assert setup.crm.upsert([wanted(tier_name="Gold\ud83e")])[KEY].state == "mirrored"
