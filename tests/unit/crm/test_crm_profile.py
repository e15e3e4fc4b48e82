"""The profile of a member for CRMs: its values for a record, and which differences cause a send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from relay.model.fields import FIELDS
from relay.model.formats import number_text
from relay.model.member import Member
from relay.model.registers import Register
from relay.model.stamps import Stamp
from relay.rules.crm_profile import CRM_FIELDS, CrmProfile, crm_profile
from relay.rules.settings import Rules

from tests.contract.crm.profiles import AT, key_of, member, wanted


def test_an_empty_record_has_an_empty_profile() -> None:
    """A member without any event has a key, an id and a status of none; all else is None."""
    profile = crm_profile(Member(shop="acme.myshopify.com", customer_id="7001"), Rules())
    assert {name: value for name, value in profile.values.items() if value is not None} == {
        "key": key_of(7001),
        "shopify_customer_id": "7001",
        "status": "none",
        "payment_status": "none",
        "high_value": False,
    }


def test_every_row_is_there_in_order() -> None:
    """Every profile has every field, in the table's order."""
    assert list(wanted().values) == list(CRM_FIELDS)


def test_every_field_has_a_source() -> None:
    """A field is a register or is computed."""
    computed = {
        "key",
        "shopify_customer_id",
        "status",
        "payment_status",
        "attempts_left",
        "next_attempt_at",
        "last_decline_code",
        "manage_url",
        "final_attempt_at",
        "recovered_at",
        "rejoined_at",
        "rejoin_count",
        "high_value",
        "billing_interval",
        "credits_expiring_amount",
        "credits_expiring_at",
        "last_event_at",
        "mirror_updated_at",
    }
    assert CRM_FIELDS.keys() == computed | (CRM_FIELDS.keys() & FIELDS.keys())


def test_evidence_and_names_are_never_sent() -> None:
    """The evidence of a snapshot, the names and the phone number stay in the record."""
    assert not {name for name in CRM_FIELDS if name.startswith("seen_")}
    assert not {"first_name", "last_name", "phone"} & CRM_FIELDS.keys()


@pytest.mark.parametrize(("failed", "left"), [(None, None), (0, None), (1, 2), (3, 0), (9, None)])
def test_attempts_left(failed: int | None, left: int | None) -> None:
    """Attempts are counted down from the rules' number, without a failure, and beyond that number, there is no count."""
    assert wanted(failed_attempts=failed).values["attempts_left"] == left
    five = crm_profile(member(failed_attempts=1), Rules(billing_attempts=5))
    assert five.values["attempts_left"] == 4


@pytest.mark.parametrize(
    ("value", "shown"), [("paid", "paid"), ("PAID", "paid"), ("diamond", None), (None, None)]
)
def test_choices(value: str | None, shown: str | None) -> None:
    """A text outside a field's choices is left out: a CRM would refuse the whole member for it."""
    assert wanted(tier_type=value).values["tier_type"] == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Decimal("0.1") + Decimal("0.2"), "0.3"),
        (Decimal("0.30000000000000004"), "0.3"),
        (Decimal("24.9995"), "25"),
        (Decimal("12.3445"), "12.344"),
        (Decimal("1E+2"), "100"),
        (Decimal("-0.0001"), "0"),
        (Decimal(100), "100"),
        (Decimal("9" * 38), "9" * 38),
        (Decimal("1E-40"), "0"),
    ],
)
def test_money(amount: Decimal, shown: str) -> None:
    """Amounts have three decimals at most, rounded to even, and are written plain, however long or small."""
    value = wanted(credit_balance=amount).values["credit_balance"]
    assert isinstance(value, Decimal)
    assert number_text(value) == shown


def test_a_repeated_fact_makes_no_difference() -> None:
    """The same values of a later event have the same digest; the time of the send takes no part either."""
    later = crm_profile(member(7001, AT + timedelta(days=1), tier_name="Gold"), Rules())
    assert later.digest == wanted(tier_name="Gold").digest
    assert later.sent_at(datetime(2027, 1, 1, tzinfo=UTC)).digest == later.digest
    assert later.values["last_event_at"] == AT + timedelta(days=1)


@pytest.mark.parametrize(
    "values",
    [
        {"tier_name": "Silver"},
        {"tier_name": None},
        {"tier_name": "Gold", "email": "new@example.com"},
        {"tier_name": "Gold", "credit_balance": Decimal(0)},
        {"tier_name": "Gold", "joined_at": AT},
        {"tier_name": "Gold", "failed_attempts": 1},
    ],
)
def test_a_difference_makes_one(values: dict[str, object]) -> None:
    """Any other value of any field is another digest, nothing and zero included."""
    assert wanted(**values).digest != wanted(tier_name="Gold").digest  # type: ignore[arg-type]  # the fields' values


def test_equal_amounts_have_one_digest() -> None:
    """The format of an amount takes no part."""
    assert wanted(revenue=Decimal("10.00")).digest == wanted(revenue=Decimal("1E+1")).digest


def test_evidence_makes_no_difference() -> None:
    """A snapshot's evidence is no reason for a send."""
    plain = member()
    seen = {"seen_balance": Register(Decimal(3), Stamp.of(AT, "e9"))}
    with_evidence = Member(
        shop=plain.shop, customer_id=plain.customer_id, registers={**plain.registers, **seen}
    )
    assert crm_profile(with_evidence, Rules()).digest == crm_profile(plain, Rules()).digest


def test_another_member_is_another_profile() -> None:
    """The key takes part in the digest."""
    assert isinstance(wanted(), CrmProfile)
    assert wanted(1, email="a@example.com").digest != wanted(2, email="a@example.com").digest


def test_joining_is_to_the_second() -> None:
    """Events have it with milliseconds and the platform's record without: the profile is the same."""

    def profile(moment: datetime, by: str) -> CrmProfile:
        registers = {"joined_at": Register(moment, Stamp.of(AT, by))}
        return crm_profile(Member(shop="acme.myshopify.com", customer_id="1", registers=registers), Rules())

    second = AT.replace(microsecond=0)
    by_event, by_reading = profile(second.replace(microsecond=816_000), "event"), profile(second, "api")
    assert by_event.values["joined_at"] == second
    assert by_event.digest == by_reading.digest
