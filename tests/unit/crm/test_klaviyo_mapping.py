"""Klaviyo's names and its JSON of values."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import httpx
import pytest
from relay.adapters.http import read_object, write_json
from relay.adapters.klaviyo.mapping import properties_of
from relay.model.fields import Value
from relay.model.formats import json_value

from tests.contract.crm.profiles import AT, wanted


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (Decimal("24.90"), Decimal("24.90")),
        (date(2026, 2, 5), "2026-02-05"),
        (datetime(2026, 11, 22, 10, tzinfo=UTC), "2026-11-22T10:00:00.000Z"),
        (datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=2))), "2026-11-22T08:00:00.000Z"),
        ("half \ud83e", "half ?"),
    ],
)
def test_json_values(value: Value, written: object) -> None:
    """Numbers stay numbers, moments and days are ISO-8601, and an unknown value is null."""
    assert json_value(value) == written


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (Decimal("24.99"), "24.99"),
        (Decimal("0.10"), "0.1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12345678901234567.89"), "12345678901234567.89"),
    ],
)
def test_amounts_are_exact_in_json(amount: Decimal, written: str) -> None:
    """An amount is a plain number with all of its cents, as sent and as read, without a float in between."""
    assert write_json({"a": [amount, "x"], "b": None, "ü": True}) == (
        f'{{"a":[{written},"x"],"b":null,"\\u00fc":true}}'.encode()
    )
    if "." in written:
        reply = httpx.Response(200, content=f'{{"a":{written}}}'.encode())
        assert read_object(reply)["a"] == amount


def test_inveterates_names_are_written_by_opt_in() -> None:
    """By default no property of Inveterate's own link is touched; by opt-in its five are written as well."""
    profile = wanted(
        joined_at=AT, credit_balance=Decimal(5), referrals_count=2, tier_name="Gold", seen_status="ACTIVE"
    )
    assert not [name for name in properties_of(profile) if name.startswith("Inveterate")]
    properties = properties_of(profile, compat=True)
    assert {name: value for name, value in properties.items() if name.startswith("Inveterate")} == {
        "Inveterate: Credits": Decimal(5),
        "Inveterate: Date Joined": "2026-11-22",
        "Inveterate: Referrals Count": 2,
        "Inveterate: Subscription Status": "active",
        "Inveterate: Tier Name": "Gold",
    }
    for unknown in (wanted(), wanted(joined_at=AT, seen_status="HIBERNATING")):
        assert properties_of(unknown, compat=True)["Inveterate: Subscription Status"] is None
    ended = wanted(joined_at=AT, cancelled_at=AT)
    assert properties_of(ended, compat=True)["Inveterate: Subscription Status"] == "cancelled"
