"""What an event leaves in doubt: one body that names two people, a missing subject, an unknown word."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from inveterate.webhooks import TOPICS, Event, parse
from relay.ingest.reducer import ReceivedEvent, TopicRule, reduce_events
from relay.model.delivery import Delivery
from relay.model.effects import Recheck
from relay.model.member import Member
from relay.ports.members import MemberRecord
from relay.rules.settings import Rules

from functions.payment_failed.app import decide, facts
from tests.support.port_fakes import NOW, SHOP, sample
from tests.support.topic_functions import TOPIC_RULES
from tests.unit.webhooks.test_identity import changed

OTHER = "1234567890123"


def read(content: dict[str, Any]) -> Any:
    return parse(json.dumps(content))


CONFLICTS = [
    ("customer.payment_failed", {"payload__customer__id": OTHER}, "payload.customer.id"),
    ("customer.payment_succeeded", {"payload__customer__id": int(OTHER)}, "payload.customer.id"),
    ("customer.updated", {"payload__oldData__customerId": OTHER}, "payload.oldData.customerId"),
    ("customer.updated", {"payload__customerId": OTHER}, "payload.newData.customerId"),
    (
        "customer.pending_cancellation",
        {"payload__detail__cancelRequest__customerId": OTHER},
        "payload.detail.cancelRequest.customerId",
    ),
    (
        "customer.credits.updated",
        {"payload__customer": {"id": OTHER, "email": "b@example.com"}},
        "payload.customer.id",
    ),
    ("customer.payment_failed", {"payload__email": "b@example.com"}, "payload.customer.email"),
]


@pytest.mark.parametrize(("topic", "differs", "place"), CONFLICTS)
def test_one_body_two_people(topic: str, differs: dict[str, Any], place: str) -> None:
    """The event tells nothing of identity, says so in its drift, and asks for a look at the API."""
    event = read(changed(topic, **differs))
    assert event.identity_conflict
    assert place in event.drift
    assert "identity_conflict" in event.doubts
    payload = event.payload
    told = payload.model_dump(by_alias=True, exclude_unset=True)
    parts = [told, *(told.get(name) or {} for name in ("customer", "newData"))]
    assert not any(
        {"email", "phoneNumber", "firstName", "lastName", "anonymized"} & part.keys() for part in parts
    )
    assert event.raw["payload"]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_sample_names_one_person(topic: str) -> None:
    """In each of its forms."""
    event = read(sample(topic))
    assert (event.identity_conflict, event.doubts) == (False, ())


def test_one_id_in_several_forms_is_one_person() -> None:
    """A number beside a text, a GID, leading zeros, an address in upper case."""
    content = changed(
        "customer.payment_failed",
        payload__customer__id="gid://shopify/Customer/007733560541315",
        payload__email="MEMBER-7733560541315@example.com",
    )
    assert not read(content).identity_conflict


SUBJECTS = {
    "customer.joined.paid_tier": "payload__tierId",
    "customer.joined.free_tier": "payload__tierId",
    "customer.joined.free_trial": "payload__tierId",
    "customer.joined.lifetime_tier": "payload__tierId",
    "customer.changed_tier": "payload__tierId",
    "customer.payment_succeeded": "payload__detail__amount",
    "customer_billing.attempt.failed": "payload__detail__billingAttempts",
    "customer.credits.updated": "payload__newBalance",
    "customer.credits.expired": "payload__newBalance",
    "customer.pending_cancellation": "payload__detail__effectiveCancellationDate",
    "customer.payment_failed": "payload__detail__billingAttempts",
    "customer.cancelled": "payload__tierId",
    "customer.ordered": "payload__detail__subtotal_price",
    "customer.payment_methods.updated": "payload__detail__paymentMethodId",
}


@pytest.mark.parametrize(
    ("topic", "field"), [*SUBJECTS.items(), ("customer.joined.free_trial", "payload__freeTrialEnd")]
)
@pytest.mark.parametrize("value", [None, "", {"odd": 1}])
def test_the_subject_is_missing(topic: str, field: str, value: object) -> None:
    """Missing, null, unreadable: the event is read and says what its name says; the rest is asked."""
    event = read(changed(topic, **{field: value}))
    assert event.lacks_its_subject
    assert event.doubts == ("subject_missing",)
    assert TOPIC_RULES[event.TOPIC].facts(event).at is not None


@pytest.mark.parametrize(
    ("topic", "field"),
    [
        ("customer.cancelled", "payload__detail__cancellationSource"),
        ("customer.pending_cancellation", "payload__detail__cancellationSource"),
        ("customer.updated", "payload__newData__status"),
        ("customer.payment_succeeded", "payload__status"),
        ("customer.pending_cancellation", "payload__detail__cancelRequest__status"),
        ("customer.pending_cancellation", "payload__detail__cancelRequest__cancellationSource"),
        ("customer.joined.paid_tier", "payload__detail__entryType"),
        ("customer.payment_methods.updated", "payload__detail__paymentMethodType"),
    ],
)
def test_an_unknown_word(topic: str, field: str) -> None:
    """It is unknown, never the nearest or the usual one, and counted; a known one in lower case is known."""
    place, sample_word = field.replace("__", "."), at_place(sample(topic), field)
    # One that cannot be read is unknown as well.
    word: Any
    for word in ("TELEPATHY", ["FAILURE"], {"value": "FAILURE"}, True):
        event = read(changed(topic, **{field: word}))
        assert (event.unknown_words, event.drift, event.doubts) == ((place,), (place,), ("unknown_word",))
    for known in (sample_word.lower(), f" {sample_word} ", None, ""):
        assert read(changed(topic, **{field: known})).doubts == ()


def at_place(content: dict[str, Any], place: str) -> str:
    part: Any = content
    for step in place.split("__"):
        part = part[step]
    return str(part)


def test_an_ending_whose_source_cannot_be_read_is_of_no_known_kind() -> None:
    """It names a source, so it is not the voluntary one that names none."""
    for source in (["CUSTOMER"], True, {"name": "CUSTOMER"}):
        event = read(changed("customer.cancelled", payload__detail__cancellationSource=source))
        milestone = TOPIC_RULES[event.TOPIC].facts(event).milestone
        assert milestone is not None
        assert milestone.detail == "unknown"


def test_a_doubt_is_a_recheck() -> None:
    """Each reason asks for the member once, by the event that left it; a repeat asks no more."""
    event: Event = read(changed("customer.payment_failed", payload__customer__id=OTHER))
    delivery = Delivery(event_id=event.id, body=b"", received_at=NOW, topic=event.TOPIC)
    received = ReceivedEvent("m", delivery, event)
    rule: TopicRule[Any] = TopicRule(type(event), facts, decide)
    record = MemberRecord(member=Member(shop=SHOP, customer_id=event.customer_id))
    first = reduce_events(record, [received], rule, Rules())
    assert first.outbox is not None
    effects = [effect for each in first.outbox.events for effect in each.effects]
    assert [each.reason for each in effects if isinstance(each, Recheck)] == ["identity_conflict"]
    assert first.record.member.value("email") is None
    again = reduce_events(replace(first.record), [received], rule, Rules())
    assert again.outbox is None
