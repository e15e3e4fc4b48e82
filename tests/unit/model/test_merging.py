"""Merging: any order, any number of times, the same record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate.webhooks import model_for
from relay.model.facts import Facts, Lot
from relay.model.fields import FIELDS, LATEST_WINS, ValueKind
from relay.model.member import Member, merge

from tests.support.port_fakes import SHOP, sample
from tests.support.topic_functions import TOPIC_RULES

pytestmark = pytest.mark.slow

START = datetime(2025, 5, 1, tzinfo=UTC)
# What an erasure drops depends on what was told while it stood: `test_erasure.py`.
DRAWN = sorted(FIELDS.keys() - LATEST_WINS)

VALUES: dict[ValueKind, st.SearchStrategy[Any]] = {
    ValueKind.TEXT: st.sampled_from(["a", "b", ""]),
    ValueKind.MONEY: st.sampled_from([Decimal("0.1"), Decimal("10.00"), Decimal(-3)]),
    ValueKind.COUNT: st.integers(0, 3),
    ValueKind.FLAG: st.booleans(),
    ValueKind.MOMENT: st.integers(0, 50).map(lambda day: START + timedelta(days=day)),
    ValueKind.DAY: st.integers(0, 50).map(lambda day: (START + timedelta(days=day)).date()),
}


@st.composite
def a_fact(draw: st.DrawFn) -> Facts:
    names = draw(st.sets(st.sampled_from(DRAWN), max_size=4))
    number = draw(st.integers(0, 6))
    expiry = draw(st.none() | st.integers(-60, 60))
    balances = draw(st.none() | st.tuples(st.none() | VALUES[ValueKind.MONEY], VALUES[ValueKind.MONEY]))
    return Facts(
        # Few ids and few times, so that ties and redeliveries are frequent; one id has one content.
        event_id=f"{number:032x}" if number else "api-0",
        at=START + timedelta(days=number % 4),
        rank=draw(st.integers(0, 9)),
        ordinal=draw(st.integers(0, 15)),
        values={name: draw(st.none() | VALUES[FIELDS[name].kind]) for name in names},
        lot=None if expiry is None else Lot(Decimal(number), START + timedelta(days=expiry)),
        balances=balances,
    )


def merged(facts: Sequence[Facts]) -> Member:
    member = Member(shop=SHOP, customer_id="1")
    for fact in facts:
        member = merge(member, fact)
    return member


@given(
    st.lists(a_fact(), max_size=8, unique_by=lambda fact: fact.event_id), st.randoms(use_true_random=False)
)
def test_any_order_any_duplication_same_record(facts: list[Facts], chance: Any) -> None:
    """Commutative and idempotent: a shuffled history with repeats ends where the plain one does."""
    shuffled = facts + chance.choices(facts, k=len(facts)) if facts else []
    chance.shuffle(shuffled)
    assert merged(shuffled) == merged(facts)


@given(st.lists(a_fact(), max_size=4, unique_by=lambda fact: fact.event_id))
def test_the_newest_fact_of_a_field_stands(facts: list[Facts]) -> None:
    """Field by field, the largest stamp wins; the first joining alone keeps the oldest value."""
    member = merged(facts)
    for name in set(DRAWN) - {"first_joined_at", "credit_balance"}:
        known = [fact for fact in facts if name in fact.values]
        if known:
            newest = max(known, key=lambda fact: fact.stamp)
            assert member.registers[name].value == newest.values[name]
            assert member.registers[name].stamp == newest.stamp
        else:
            assert name not in member.registers


FOUR = (
    "customer.joined.paid_tier",
    "customer.updated",
    "customer.changed_tier",
    "customer.payment_methods.updated",
)


@pytest.mark.parametrize("order", list(permutations(FOUR)))
def test_every_field_that_any_event_carried_is_present(order: tuple[str, ...]) -> None:
    """Four topics of one member, in any order: an event that carries only an e-mail wipes no name."""
    known = {topic: facts_of(topic) for topic in FOUR}
    member = merged([known[topic] for topic in order])
    for facts in known.values():
        for name, value in facts.values.items():
            if value is not None:
                assert member.value(name) is not None, name
    assert member == merged(list(known.values()))
    assert (member.text("first_name"), member.text("tier_name")) == ("inveterate", "FREE")


def facts_of(topic: str) -> Facts:
    """Return the facts of the topic's sample, about one and the same member."""
    facts: Facts = TOPIC_RULES[topic].facts(model_for(topic).read(json.dumps(sample(topic))))
    return facts


def test_a_field_that_is_lacking_says_nothing_and_a_null_clears() -> None:
    """An explicit null is a value like any other; absence is none."""
    content = sample("customer.updated")
    content["payload"]["newData"] |= {"phoneNumber": None}
    del content["payload"]["newData"]["firstName"]
    content["metadata"]["triggerredAt"] = "2025-07-01T00:00:00Z"
    later = TOPIC_RULES["customer.updated"].facts(model_for("customer.updated").read(json.dumps(content)))
    member = merged([facts_of("customer.updated"), later])
    assert (member.text("phone"), member.text("first_name")) == (None, "inveterate")


def test_the_first_joining_is_kept() -> None:
    """Joining again moves `joined_at` and leaves `first_joined_at` where it was, whichever comes first."""
    content = sample("customer.joined.paid_tier")
    content["payload"]["createdAt"] = "2026-01-01T00:00:00Z"
    again = TOPIC_RULES["customer.joined.paid_tier"].facts(
        model_for("customer.joined.paid_tier").read(json.dumps(content))
    )
    first = facts_of("customer.joined.paid_tier")
    for history in ([first, again], [again, first]):
        member = merged(history)
        assert (member.moment("first_joined_at"), member.moment("joined_at")) == (first.at, again.at)


@pytest.mark.parametrize(("days", "kept"), [(39, True), (41, False)])
def test_an_expired_lot_is_remembered_for_a_while(days: int, *, kept: bool) -> None:
    """Forty days, counted back from the newest fact, whichever of the two came first."""
    lot = Facts(event_id="a" * 32, at=START, lot=Lot(Decimal(5), START))
    newest = Facts(event_id="b" * 32, at=START + timedelta(days=days), values={"email": "a@example.com"})
    assert bool(merged([lot, newest]).lots) is bool(merged([newest, lot]).lots) is kept


def test_facts_without_a_time_are_not_merged() -> None:
    """Facts without a time are refused: they have to be dated by their receipt first."""
    with pytest.raises(ValueError, match="without a time"):
        merge(Member(shop=SHOP, customer_id="1"), Facts(event_id="0" * 32, at=None))


def test_a_name_that_is_no_field_is_refused() -> None:
    """A misspelt field is a defect that shows at once."""
    with pytest.raises(ValueError, match="tier"):
        Facts(event_id="0" * 32, at=START, values={"tier": "x"})
