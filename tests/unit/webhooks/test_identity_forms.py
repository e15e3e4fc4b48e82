"""Event ids: a value in another form is the same value, as the models read it; another value is another event."""

from __future__ import annotations

from typing import Any

import pytest
from inveterate.webhooks import model_for
from inveterate.webhooks.identity import DISTINGUISHING

from tests.unit.webhooks.test_identity import LEAVE_OUT, changed, identified

CANCELLED = "customer.cancelled"
METHOD = "customer.payment_methods.updated"
PAID = "customer.payment_succeeded"
PENDING = "customer.pending_cancellation"
ATTEMPT = "customer_billing.attempt.failed"

NONE: tuple[object, ...] = (None, "", "  ", LEAVE_OUT)
"""Ways to write that there is no value."""

NO_DATE: tuple[object, ...] = (*NONE, "1970-01-01T00:00:00.000Z", "0001-01-01", "9999-12-31T23:59:59Z", 0)


def ids(topic: str, path: str, forms: tuple[object, ...]) -> set[str]:
    """Return the ids of a topic's sample with each of these forms in one place."""
    return {identified(changed(topic, **{path: form})) for form in forms}


@pytest.mark.parametrize(
    ("topic", "path"), [(CANCELLED, "payload__tierId"), (METHOD, "payload__detail__paymentMethodId")]
)
def test_an_id_as_a_number_is_the_id_as_text(topic: str, path: str) -> None:
    """Eight hex digits may all be decimal: some JSON writer makes a number of them, or a float."""
    assert len(ids(topic, path, ("12345678", 12345678, 12345678.0, "12345678.0", " 12345678 "))) == 1
    assert len(ids(topic, path, ("12345678", "12345679", "1234567.8", 12345678.5))) == 4


def test_a_day_with_an_offset_is_the_day_as_written() -> None:
    """The next billing date is a day: its merchant's offset takes no part."""
    forms = (
        "2026-04-01",
        "2026-04-01T00:00:00.000Z",
        "2026-04-01T00:00:00+10:00",
        "2026-04-01 00:00:00 +09:00",
        "Wed, 01 Apr 2026 00:00:00 -0500",
    )
    assert len(ids(PAID, "payload__detail__newBillingDate", forms)) == 1
    assert len(ids(PAID, "payload__detail__newBillingDate", (*forms, "2026-03-31T00:00:00+10:00"))) == 2


def test_the_end_of_a_membership_is_a_moment() -> None:
    """Another offset is another moment."""
    place = "payload__detail__effectiveCancellationDate"
    assert len(ids(PENDING, place, ("2026-04-01T00:00:00Z", "2026-04-01T10:00:00+10:00"))) == 1
    assert len(ids(PENDING, place, ("2026-04-01T00:00:00Z", "2026-04-01T00:00:00+10:00"))) == 2


def test_no_date_in_any_form() -> None:
    """A null that a retry writes as `1970-01-01` is no other payment, and no other end."""
    assert len(ids(PAID, "payload__detail__newBillingDate", NO_DATE)) == 1
    assert len(ids(PAID, "payload__detail__newBillingDate", (*NO_DATE, "2026-04-01"))) == 2
    ends = [
        changed(
            PENDING,
            payload__detail__effectiveCancellationDate=form,
            payload__detail__cancelRequest__cancelDate=form,
        )
        for form in NO_DATE
    ]
    assert len({identified(each) for each in ends}) == 1


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        (PAID, "payload__detail__amount"),
        (PAID, "payload__detail__currency"),
        (ATTEMPT, "payload__detail__billingAttempts"),
        ("customer.credits.updated", "payload__previousBalance"),
        ("customer.ordered", "payload__detail__subtotal_price"),
    ],
)
def test_a_blank_value_is_none(topic: str, path: str) -> None:
    """Missing, null and blank are one; zero and words are not."""
    assert len(ids(topic, path, NONE)) == 1
    assert len(ids(topic, path, (*NONE, "0", "n/a"))) == 3


@pytest.mark.parametrize("topic", DISTINGUISHING)
def test_what_the_models_read_alike_is_one_event(topic: str) -> None:
    """Of each distinguishing field: all forms that its model reads as one value, where they can stand at all."""
    forms = ("7", 7, 7.0, " 7 ")
    for _, places in DISTINGUISHING[topic]:
        path = "__".join(("payload", *places[0]))
        contents = [changed(topic, **{path: form}) for form in forms]
        for other in places[1:]:
            contents = [drop(content, other) for content in contents]
        events = [model_for(topic).of(content) for content in contents]
        read = {event.model_dump_json(exclude={"metadata"}) for event in events}
        if len(read) == 1 and not any(event.drift for event in events):
            assert len({identified(content) for content in contents}) == 1, path


def drop(content: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """Return a delivery without the value in a place of its payload."""
    part: object = content["payload"]
    for step in place[:-1]:
        part = part.get(step) if isinstance(part, dict) else None
    if isinstance(part, dict):
        part.pop(place[-1], None)
    return content
