"""Values are cleaned when they are read: each kind by itself, in the events, and where a reading of the API becomes facts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inveterate import Member as ApiMember
from inveterate.webhooks import TOPICS, PaymentSucceeded, PendingCancellation, Updated, cleaning, parse
from inveterate.webhooks.amounts import amount, minor_units
from inveterate.webhooks.cleaning import KINDS, Kind
from relay.model.facts import combine
from relay.model.member import Member
from relay.ports.inveterate import MemberReading
from relay.reconcile.api_facts import facts_of

from tests.support.port_fakes import NOW, SHOP, sample
from tests.unit.webhooks.test_identity import JSON, changed, text_of

UNREADABLE = object()


def cleaned(kind: Kind, value: object) -> object:
    try:
        return kind.clean(value)
    except ValueError:
        return UNREADABLE


MAY_FIRST = datetime(2026, 5, 1, tzinfo=UTC)
AT_SEVEN = datetime(2026, 5, 1, 7, tzinfo=UTC)

NO_ANSWERS: tuple[object, ...] = ("", "maybe", 2, -1, [], {}, "anonymized")

CASES: list[tuple[Kind, object, object]] = [
    # amounts
    (cleaning.AMOUNT, -2.7755575615628914e-17, Decimal(0)),
    (cleaning.AMOUNT, 0.1 + 0.2, Decimal("0.3")),
    (cleaning.AMOUNT, "12.3456785", Decimal("12.345678")),
    (cleaning.AMOUNT, "49.00", Decimal("49.00")),
    (cleaning.AMOUNT, "1e2", Decimal(100)),
    (cleaning.AMOUNT, "1_000", UNREADABLE),
    (cleaning.AMOUNT, "1,000", UNREADABLE),
    (cleaning.AMOUNT, "\u0664\u0669", UNREADABLE),
    (cleaning.AMOUNT, "$49", UNREADABLE),
    (cleaning.AMOUNT, "", UNREADABLE),
    (cleaning.AMOUNT, True, UNREADABLE),
    (cleaning.AMOUNT, Decimal("1e15"), UNREADABLE),
    (cleaning.AMOUNT, Decimal(-999999999999999), Decimal(-999999999999999)),
    (cleaning.AMOUNT, Decimal("1e-999999"), Decimal(0)),
    (cleaning.AMOUNT, Decimal("1e999999"), UNREADABLE),
    # currencies
    (cleaning.CURRENCY, " jpy ", "JPY"),
    (cleaning.CURRENCY, "", None),
    (cleaning.CURRENCY, "dollars", UNREADABLE),
    (cleaning.CURRENCY, "ÄÖÜ", UNREADABLE),
    (cleaning.CURRENCY, 840, UNREADABLE),
    # counts
    (cleaning.ATTEMPT, "3", 3),
    (cleaning.ATTEMPT, 3.0, 3),
    (cleaning.ATTEMPT, 0, UNREADABLE),
    (cleaning.ATTEMPT, -5_000_000, UNREADABLE),
    (cleaning.ATTEMPT, 100, UNREADABLE),
    (cleaning.ATTEMPT, 2.5, UNREADABLE),
    (cleaning.COUNT, 0, 0),
    (cleaning.COUNT, -1, UNREADABLE),
    (cleaning.COUNT, 10**9, UNREADABLE),
    # times
    (cleaning.MOMENT, "2026-05-01T07:00:00.1239Z", AT_SEVEN.replace(microsecond=123_000)),
    (cleaning.MOMENT, "2026-05-01t07:00:00z", AT_SEVEN),
    (cleaning.MOMENT, "Fri, 01 May 2026 07:00:00 GMT", AT_SEVEN),
    (cleaning.MOMENT, "Fri, 1 May 2026 09:00:00 +0200", AT_SEVEN),
    (cleaning.MOMENT, 1777618800, AT_SEVEN),
    (cleaning.MOMENT, 1777618800000, AT_SEVEN),
    (cleaning.MOMENT, "1777618800", AT_SEVEN),
    (cleaning.MOMENT, Decimal("1777618800.5"), AT_SEVEN.replace(microsecond=500_000)),
    (cleaning.MOMENT, "2026-05-01 07:00:00 +00:00", AT_SEVEN),
    (cleaning.MOMENT, "  ", None),
    (cleaning.MOMENT, "1970-01-01T00:00:00.000Z", None),
    (cleaning.MOMENT, 0, None),
    (cleaning.MOMENT, "0001-01-01T00:00:00Z", None),
    (cleaning.MOMENT, "2014-12-31T23:59:59Z", None),
    (cleaning.MOMENT, "2015-01-01T00:00:00Z", datetime(2015, 1, 1, tzinfo=UTC)),
    (cleaning.MOMENT, "2101-01-01", None),
    (cleaning.MOMENT, "9999-12-31T23:59:59Z", None),
    (cleaning.MOMENT, "", None),
    (cleaning.MOMENT, "the day after", UNREADABLE),
    (cleaning.MOMENT, True, UNREADABLE),
    # days
    (cleaning.DAY, "2026-05-01", MAY_FIRST),
    (cleaning.DAY, "2026-05-01T00:00:00+10:00", MAY_FIRST),
    (cleaning.DAY, "2026-05-01T00:00:00+10", MAY_FIRST),
    (cleaning.DAY, "2026-05-01T00:00:00+10:00:00", MAY_FIRST),
    (cleaning.DAY, "20260501T000000+1000", MAY_FIRST),
    (cleaning.DAY, "2026-05-01T23:59-11", MAY_FIRST),
    (cleaning.DAY, "2026-05-01 00:00:00 +1000", MAY_FIRST),
    (cleaning.DAY, "Fri, 01 May 2026 00:00:00 +1000", MAY_FIRST),
    (cleaning.DAY, "Fri, 1 May 2026 23:30:00 -0800", MAY_FIRST),
    (cleaning.DAY, "Fri, 01 May 2026 07:00:00 GMT", AT_SEVEN),
    (cleaning.DAY, "2026-05-01T07:00:00+00", AT_SEVEN),
    (cleaning.DAY, "2026-05-01 00:00:00 +09:00", MAY_FIRST),
    (cleaning.DAY, "2026-05-01T23:30:00-0700", MAY_FIRST),
    (cleaning.DAY, "2026-05-01T00:00:00.000Z", MAY_FIRST),
    (cleaning.DAY, "2026-05-01T07:00:00Z", AT_SEVEN),
    (cleaning.DAY, "2026-05-01T07:00:00+00:00", AT_SEVEN),
    (cleaning.DAY, "1970-01-01", None),
    # addresses
    (cleaning.EMAIL, "  Jane.Doe+x@Example.CO.uk ", "jane.doe+x@example.co.uk"),
    (cleaning.EMAIL, "jane@bücher.example", "jane@bücher.example"),
    (cleaning.EMAIL, "", None),
    (cleaning.EMAIL, "  ", None),
    (cleaning.EMAIL, "[email protected]", UNREADABLE),
    (cleaning.EMAIL, "jane", UNREADABLE),
    (cleaning.EMAIL, "jane@localhost", UNREADABLE),
    (cleaning.EMAIL, "jane@@example.com", UNREADABLE),
    (cleaning.EMAIL, "jane@example..com", UNREADABLE),
    (cleaning.EMAIL, "jane doe@example.com", UNREADABLE),
    (cleaning.EMAIL, "Jane <jane@example.com>", UNREADABLE),
    (cleaning.EMAIL, "jane@example.com\nBcc: x@y.z", UNREADABLE),
    (cleaning.EMAIL, "a" * 250 + "@example.com", UNREADABLE),
    (cleaning.EMAIL, 7, UNREADABLE),
    (cleaning.EMAIL, ".jane@example.com", UNREADABLE),
    (cleaning.EMAIL, "jane.@example.com", UNREADABLE),
    (cleaning.EMAIL, "ja..ne@example.com", UNREADABLE),
    (cleaning.EMAIL, "jane@example.c", UNREADABLE),
    (cleaning.EMAIL, "jane@10.0.0.1", UNREADABLE),
    (cleaning.EMAIL, "jane@example.com.", UNREADABLE),
    (cleaning.EMAIL, "jane@-example.com", UNREADABLE),
    (cleaning.EMAIL, "a" * 65 + "@example.com", UNREADABLE),
    (cleaning.EMAIL, "a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    (cleaning.EMAIL, "j.a.n.e+o'neil@a.b-c.xn--p1ai", "j.a.n.e+o'neil@a.b-c.xn--p1ai"),
    (cleaning.EMAIL, "jane@example.museum2", "jane@example.museum2"),
    (cleaning.EMAIL, "jane@1.de", "jane@1.de"),
    (cleaning.PHONE, " +49 (0)30 1234 ", "+49 (0)30 1234"),
    (cleaning.PHONE, 4930123456, "4930123456"),
    (cleaning.PHONE, "n/a", UNREADABLE),
    (cleaning.PHONE, "1" * 41, UNREADABLE),
    # ids
    (cleaning.ID, 7733540520067, "7733540520067"),
    (cleaning.ID, 7733540520067.0, "7733540520067"),
    (cleaning.ID, "7733540520067.0", "7733540520067"),
    (cleaning.ID, "00123456", "00123456"),
    (cleaning.ID, "gid://shopify/CustomerPaymentMethod/a1", "gid://shopify/CustomerPaymentMethod/a1"),
    (cleaning.ID, " ", None),
    (cleaning.ID, "x" * 201, UNREADABLE),
    (cleaning.ID, 1.5, UNREADABLE),
    # texts
    (cleaning.NAME, "  Jane\u0000\r\n  Doe ", "Jane Doe"),
    (cleaning.NAME, "x" * 101, "x" * 100),
    (cleaning.NAME, "x" * 98 + "\U0001f468\u200d\U0001f469\u200d\U0001f467", "x" * 98),
    (cleaning.NAME, " ", None),
    # Nothing that a person sees.
    (cleaning.NAME, "\u200b", None),
    (cleaning.NAME, "\ufeff\u2060 \u00ad", None),
    (cleaning.NAME, "\u3164\u2800", None),
    (cleaning.LABEL, "\u200e\u00a0", None),
    (cleaning.NAME, "\u0645\u200c\u06cc", "\u0645\u200c\u06cc"),
    (cleaning.NAME, {"a": 1}, UNREADABLE),
    (cleaning.NAME, "\ud800", "?"),
    (cleaning.LABEL, "y" * 300, "y" * 200),
    (cleaning.WORD, " FAILURE ", "FAILURE"),
    (cleaning.LINE, "a" * 2000, "a" * 1000),
    (cleaning.NOTE, " a\nb\tc\u0007 ", "a\nb\tc"),
    (cleaning.FLAG, "TRUE", True),
    (cleaning.FLAG, "yes", UNREADABLE),
    *(
        (cleaning.ERASURE, yes, True)
        for yes in (True, "true", " TRUE ", 1, "1", Decimal("1.0"), "yes", "On", "t")
    ),
    *((cleaning.ERASURE, no, False) for no in (False, "false", 0, "0", Decimal("0.0"), "no", "OFF", "f")),
    *((cleaning.ERASURE, other, UNREADABLE) for other in NO_ANSWERS),
    (cleaning.ERASURE, None, None),
]


@pytest.mark.parametrize(
    ("kind", "value", "expected"), CASES, ids=lambda value: None if isinstance(value, Kind) else ""
)
def test_a_kind(kind: Kind, value: object, expected: object) -> None:
    """A clean value, None for none, or unreadable."""
    assert cleaned(kind, value) == expected


@settings(deadline=None)
@given(st.sampled_from(KINDS), JSON)
def test_cleaning_twice_is_cleaning_once(kind: Kind, value: object) -> None:
    """Any JSON: a clean value stays as it is, within its length, and nothing but ValueError is raised."""
    once = cleaned(kind, value)
    if once is not UNREADABLE:
        assert cleaned(kind, once) == once
        assert not isinstance(once, str) or len(once) <= (kind.longest or 0)


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [
        ("JPY", 0),
        ("KRW", 0),
        ("CLP", 0),
        ("KWD", 3),
        ("TND", 3),
        ("CLF", 4),
        ("USD", 2),
        ("XXX", 2),
        (None, 2),
    ],
)
def test_the_minor_unit(currency: str | None, decimals: int) -> None:
    """ISO 4217."""
    assert minor_units(currency) == decimals


@pytest.mark.parametrize(
    ("value", "currency", "expected"),
    [
        (12.345, "KWD", "12.345"),
        (12.345, "USD", "12.34"),
        (980.4, "JPY", "980"),
        (1, None, "1"),
    ],
)
def test_an_amount_to_its_minor_unit(value: object, currency: str | None, expected: str) -> None:
    """Half to even."""
    assert str(amount(value, currency)) == expected


@pytest.mark.parametrize("dust", [-2.7755575615628914e-17, "-0", "-0.0000001", Decimal("-1e-40"), -0.0])
def test_dust_below_zero_has_no_sign(dust: object) -> None:
    """A balance of minus zero is shown as one, and asked about as a debt."""
    assert str(amount(dust)) == "0"


def paid(**detail: Any) -> PaymentSucceeded:
    content = sample("customer.payment_succeeded")
    content["payload"]["detail"] |= detail
    return PaymentSucceeded.read(json.dumps(content))


def test_the_fee_of_an_event() -> None:
    """Amount, currency and day are clean in the event: every rule sees the same."""
    event = paid(amount=12.345, currency="kwd", newBillingDate="2026-04-01T00:00:00+10:00")
    charge = event.detail
    assert (charge.amount, charge.currency, charge.new_billing_date) == (
        Decimal("12.345"),
        "KWD",
        datetime(2026, 4, 1, tzinfo=UTC),
    )
    assert paid(amount="0.30000000000000004", currency=" usd ").detail.amount == Decimal("0.30")


def test_the_price_of_an_item_in_the_orders_currency() -> None:
    """The currency is at the order, the price at its item."""
    content = changed("customer.ordered", payload__detail__currency="kwd")
    content["payload"]["detail"]["line_items"][0]["price"] = "1.23456"
    event: Any = parse(json.dumps(content))
    assert event.payload.detail.line_items[0].price == Decimal("1.235")


def test_an_impossible_date_is_none() -> None:
    """And no drift: the platform says that there is none, in its own way."""
    event = PendingCancellation.read(
        json.dumps(
            changed(
                "customer.pending_cancellation",
                payload__detail__effectiveCancellationDate="1970-01-01T00:00:00.000Z",
            )
        )
    )
    assert (event.detail.effective_cancellation_date, event.drift) == (None, ())


def test_an_unreadable_address_is_as_if_missing() -> None:
    """It replaces no good one: the field counts as absent, and is named in the drift."""
    event = Updated.read(json.dumps(changed("customer.updated", payload__newData__email="[email protected]")))
    assert (event.snapshot.has("email"), event.drift) == (False, ("payload.newData.email",))


@pytest.mark.parametrize(
    "number", ["7733540520067.0", "7.733540520067e12", '"7733540520067.0"', '"007733540520067"']
)
def test_a_customer_in_any_form(number: str) -> None:
    """A float's `.0`, an exponent and leading zeros make no other member."""
    content = changed("customer.cancelled", payload__customerId="NUMBER")
    assert parse(text_of(content, number)).customer_id == "7733540520067"


@pytest.mark.parametrize("number", ["0", '"000"', "-7", "7.5", "1e400", '"1e400"', "NaN", '"\u0667"'])
def test_no_customer(number: str) -> None:
    """Zero is the value of a field that was never set."""
    with pytest.raises(ValueError, match=r"no_member|not_json"):
        parse(text_of(changed("customer.cancelled", payload__customerId="NUMBER"), number))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(TOPICS), st.data())
def test_any_value_in_any_field_costs_itself(topic: str, data: st.DataObject) -> None:
    """Whatever stands in a field, the event is read; a value that cannot be read is absent."""
    content = sample(topic)
    name = data.draw(st.sampled_from(sorted(content["payload"])))
    value = data.draw(JSON)
    assume("NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value))
    content["payload"][name] = value
    content["payload"]["customerId"] = "7"
    assert parse(json.dumps(content)).customer_id == "7"


def reading(**values: Any) -> dict[str, Any]:
    member = ApiMember.model_validate({"customerId": "7", **values})
    facts = facts_of(
        MemberReading(member=member, date=NOW, seconds=0), NOW, Member(shop=SHOP, customer_id="7")
    )
    return dict(facts.values) | {"balances": facts.balances}


def test_a_reading_of_the_api_is_cleaned_where_it_becomes_facts() -> None:
    """By the same kinds; the record itself keeps what the platform said, since it is sent back."""
    facts = reading(
        credit=-2.7755575615628914e-17,
        revenue=12.345,
        currencyCode="kwd",
        referrals=-5,
        email="Jane@Example.com",
        firstName="  Jane  ",
        joinedAt="1970-01-01T00:00:00Z",
        tierId="6a538edc",
    )
    assert facts["seen_balance"] == 0
    assert facts["balances"] == (None, Decimal(0))
    assert (facts["revenue"], facts["email"], facts["first_name"]) == (
        Decimal("12.345"),
        "jane@example.com",
        "Jane",
    )
    assert "referrals_count" not in facts
    assert facts["joined_at"] is None
    assert "email" not in reading(email="[email protected]")
    kept = ApiMember.model_validate({"customerId": "7", "email": "Jane@Example.com", "credit": 12.3456789})
    assert (kept.email, kept.credit) == ("Jane@Example.com", Decimal("12.3456789"))


def test_facts_are_clean_whoever_makes_them() -> None:
    """What cannot be in a field is left out, and what the record has stays."""
    assert combine(
        {"email": "nobody", "failed_attempts": -5_000_000, "next_payment_on": date(1970, 1, 1)}
    ) == {"next_payment_on": None}
