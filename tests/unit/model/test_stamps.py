"""Facts of one millisecond: their meaning decides which stands, and the event id only where the meaning is the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate.webhooks import TOPICS, model_for
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.stamps import HIGHEST_ORDINAL, RANKS, READING, Stamp

from tests.support.port_fakes import SHOP, sample
from tests.support.topic_functions import TOPIC_RULES

AT = datetime(2026, 3, 1, 10, 0, 0, 123000, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

JOINED = "customer.joined.paid_tier"
ATTEMPT = "customer_billing.attempt.failed"
FAILED = "customer.payment_failed"
PAID = "customer.payment_succeeded"
CANCELLED = "customer.cancelled"
PENDING = "customer.pending_cancellation"
CHANGED = "customer.changed_tier"
UPDATED = "customer.updated"

moments = st.integers(0, 2 * 10**17).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)
"""From 1970 to the year 8307."""


def facts_of(topic: str, event_id: str, *, attempt: int | None = None, at: datetime = AT) -> Facts:
    """Return the facts of the topic's sample, as if it had happened at `at` and had this id."""
    content = sample(topic)
    content["payload"]["createdAt"] = at.isoformat()
    content["metadata"]["triggerredAt"] = at.isoformat()
    if attempt is not None:
        content["payload"]["detail"]["billingAttempts"] = attempt
    facts: Facts = TOPIC_RULES[topic].facts(model_for(topic).read(json.dumps(content)))
    assert facts.at == at
    return replace(facts, event_id=event_id)


def merged(*facts: Facts) -> Member:
    member = Member(shop=SHOP, customer_id="1")
    for each in facts:
        member = merge(member, each)
    return member


def test_every_topic_has_a_rank_above_a_readings() -> None:
    """`RANKS` has every topic, and a reading of the API ranks below all of them."""
    assert RANKS.keys() == set(TOPICS), f"RANKS differs by {sorted(RANKS.keys() ^ set(TOPICS))}"
    assert all(READING < rank < 16 for rank in RANKS.values())


@pytest.mark.parametrize(
    ("topics", "status"),
    [
        ((CANCELLED, JOINED), "active"),
        ((JOINED, CANCELLED, ATTEMPT), "active"),
        ((ATTEMPT, CANCELLED), "cancelled"),
        ((PENDING, CANCELLED), "cancelled"),
        ((PENDING, JOINED), "active"),
        ((ATTEMPT, PAID), "active"),
        ((ATTEMPT, FAILED, PAID), "active"),
        ((ATTEMPT, FAILED, JOINED, CANCELLED, PAID, PENDING, UPDATED), "active"),
    ],
)
def test_a_tie_is_decided_by_rank_in_every_order_and_under_every_id(
    topics: tuple[str, ...], status: str
) -> None:
    """Whatever the ids are, and whichever event arrives first, the same topic has the last word."""
    ids = [f"{number:x}" * 32 for number in range(len(topics))]
    for assigned in (ids, ids[::-1]):
        facts = [facts_of(topic, event_id) for topic, event_id in zip(topics, assigned, strict=True)]
        records = (
            {_outcome(merged(*order)) for order in permutations(facts)}
            if len(facts) < 5
            else {_outcome(merged(*facts)), _outcome(merged(*facts[::-1]))}
        )
        assert {found for found, _ in records} == {status}
        assert len(records) == 1


def _outcome(member: Member) -> tuple[str, str]:
    return member.status, str(sorted((name, str(each.value)) for name, each in member.registers.items()))


@pytest.mark.parametrize("topic", [ATTEMPT, FAILED])
def test_the_higher_attempt_of_one_millisecond_stands(topic: str) -> None:
    """Attempts 2 and 3 dated alike: three attempts have failed, whichever has the larger id."""
    for low, high in (("0" * 32, "f" * 32), ("f" * 32, "0" * 32)):
        second, third = facts_of(topic, low, attempt=2), facts_of(topic, high, attempt=3)
        for order in permutations((second, third)):
            assert merged(*order).count("failed_attempts") == 3


def test_the_final_failure_stands_beside_the_attempt_of_its_millisecond() -> None:
    for ids in permutations(("0" * 32, "f" * 32)):
        attempt, final = facts_of(ATTEMPT, ids[0], attempt=3), facts_of(FAILED, ids[1], attempt=3)
        for order in permutations((attempt, final)):
            member = merged(*order)
            assert (member.payment_status, member.fields_from(final.event_id) >= {"failed_attempts"}) == (
                "failed",
                True,
            )


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.startswith("customer.joined")])
def test_a_change_of_tier_gives_way_to_a_joining_of_its_millisecond(topic: str) -> None:
    for ids in permutations(("0" * 32, "f" * 32)):
        changed, joined = facts_of(CHANGED, ids[0]), facts_of(topic, ids[1])
        for order in permutations((changed, joined)):
            assert merged(*order).text("tier_id") == joined.values["tier_id"] != changed.values["tier_id"]


def test_a_reading_never_replaces_an_event_of_its_millisecond() -> None:
    reading = Facts(event_id="zzz", at=AT, values={"tier_name": "From the API", "referrals_count": 7})
    for topic, name in ((UPDATED, "referrals_count"), (JOINED, "tier_name")):
        event = facts_of(topic, "0" * 32)
        assert merged(event, reading).value(name) == merged(reading, event).value(name) == event.values[name]


def test_time_comes_before_meaning() -> None:
    """A millisecond later, even the lowest rank stands over the highest."""
    joined = facts_of(JOINED, "f" * 32)
    reading = Facts(event_id="api-1", at=AT + MILLISECOND, values={"tier_name": "From the API"})
    assert (
        merged(joined, reading).text("tier_name")
        == merged(reading, joined).text("tier_name")
        == "From the API"
    )


@pytest.mark.parametrize("attempt", [-1, 0, 15, 16, 10**9])
def test_no_ordinal_reaches_the_next_rank(attempt: int) -> None:
    """Whatever number the platform writes, it is an ordinal of its own rank."""
    for rank in range(10):
        stamp = Stamp.of(AT, "0", rank=rank, ordinal=attempt)
        assert Stamp.of(AT, "0", rank=rank) <= stamp < Stamp.of(AT, "0", rank=rank + 1)
        assert stamp <= Stamp.of(AT, "0", rank=rank, ordinal=HIGHEST_ORDINAL)


@given(moments, st.integers(0, 9), st.integers(0, HIGHEST_ORDINAL))
def test_a_stamp_says_when(at: datetime, rank: int, ordinal: int) -> None:
    """The moment comes back to the millisecond, and the number fits the seven bytes that the table has for it."""
    stamp = Stamp.of(at, "e", rank=rank, ordinal=ordinal)
    assert timedelta(0) <= at - stamp.at < MILLISECOND
    assert 0 <= stamp.number < 256**7


@given(st.tuples(moments, st.integers(0, 9), st.integers(0, 15), st.sampled_from("ab")), st.data())
def test_stamps_order_by_time_then_rank_then_ordinal_then_id(first: Any, data: st.DataObject) -> None:
    near = st.integers(-2, 2).map(lambda step: first[0] + step * MILLISECOND if step > 0 else first[0])
    second = data.draw(st.tuples(near, st.integers(0, 9), st.integers(0, 15), st.sampled_from("ab")))
    one, two = (
        (Stamp.of(at, event_id, rank=rank, ordinal=ordinal), (Stamp.of(at, "").at, rank, ordinal, event_id))
        for at, rank, ordinal, event_id in (first, second)
    )
    assert (one[0] < two[0]) is (one[1] < two[1])


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic != UPDATED])
def test_a_retry_has_the_stamp_of_the_first_delivery(topic: str) -> None:
    """A retry may renew the time of triggering: the event's own time decides, and the record stays the same."""
    content = sample(topic)
    first = TOPIC_RULES[topic].facts(model_for(topic).read(json.dumps(content)))
    content["metadata"] |= {"triggerredAt": "2027-01-01T00:00:00Z", "retryCount": 3}
    retried = TOPIC_RULES[topic].facts(model_for(topic).read(json.dumps(content)))
    assert retried == first
    assert retried.stamp == first.stamp
