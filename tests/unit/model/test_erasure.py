"""Erasure in the record: who is erased, what is dropped, and what nothing undoes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from relay.adapters.dynamodb.codec import decode, encode
from relay.model.erasure import PERSONAL, open_claim
from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.member import Member, merge
from relay.model.messages import Outbox
from relay.model.milestones import FOUND, Milestone, MilestoneKind
from relay.ports.members import MemberRecord

START = datetime(2026, 3, 1, tzinfo=UTC)
EMPTY = Member(shop="acme.myshopify.com", customer_id="7001")
PERSON: dict[str, Value] = {"email": "a@example.com", "phone": "+1", "first_name": "A", "last_name": "B"}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def told(number: float, kind: MilestoneKind | None = None, /, **values: Value) -> Facts:
    return Facts(
        event_id=f"{int(number * 100):032x}",
        at=day(number),
        rank=1,
        values=values,
        milestone=Milestone(kind=kind) if kind else None,
    )


def record(*facts: Facts) -> Member:
    member = EMPTY
    for each in facts:
        member = merge(member, each)
    return member


def personal(member: Member) -> list[str]:
    return [name for name in PERSONAL if name in member.registers]


JOINED = told(1, "joined", tier_id="t1")
KNOWN = told(2, **PERSON)
ERASED = told(3, erased_at=day(3))
TOLD_AGAIN = told(4, **PERSON)
REJOINED = told(5, "joined", tier_id="t2")
ANEW = told(6, email="new@example.com")


def test_the_personal_fields_are_four() -> None:
    """A new personal field is dropped like the others: this test names it."""
    assert PERSONAL == ("email", "phone", "first_name", "last_name")


@pytest.mark.parametrize("order", [*permutations((JOINED, KNOWN, ERASED, TOLD_AGAIN))])
def test_an_erased_member_has_nothing_personal(order: Iterable[Facts]) -> None:
    """In every order, also of what was told after the erasure; the membership stays."""
    member = record(*order)
    assert (member.is_erased, personal(member), member.value("tier_id")) == (True, [], "t1")


@pytest.mark.parametrize("order", [*permutations((JOINED, KNOWN, ERASED, REJOINED))])
def test_a_newer_joining_ends_an_erasure_and_brings_nothing_back(order: Iterable[Facts]) -> None:
    """What was told before the erasure stays dropped in every order; what is told anew is taken."""
    member = record(*order)
    assert (member.is_erased, personal(member)) == (False, [])
    assert merge(member, ANEW).value("email") == "new@example.com"


def test_a_joining_of_the_same_moment_wins() -> None:
    """As in every tie: a joining outranks the rest."""
    assert not record(told(3, "joined"), ERASED).is_erased


def test_lifting_takes_what_is_told_before_and_after() -> None:
    """`--undo` lifts it: a redelivery of what was told before the erasure is taken again."""
    lifted = record(KNOWN, ERASED, told(4, erasure_lifted_at=day(4)))
    assert (lifted.is_erased, personal(lifted)) == (False, [])
    assert merge(lifted, KNOWN).value("email") == "a@example.com"
    assert record(ERASED, told(4, erasure_lifted_at=day(4)), told(5, erased_at=day(5))).is_erased


def test_the_moments_only_grow() -> None:
    """A later reading may confirm an earlier webhook: it takes the newer command's moment back in no order."""
    newer, older = told(7, erased_at=day(7)), told(8, erased_at=day(3))
    assert {record(*order).moment("erased_at") for order in permutations((newer, older))} == {day(7)}
    cleared = record(newer, told(9, erased_at=None))
    assert cleared.moment("erased_at") == day(7)


def test_an_unknown_field_goes_and_does_not_come_back() -> None:
    """What a newer version has stored may be personal: it is dropped with the erasure, in the item as well."""
    newer = Member(
        shop=EMPTY.shop,
        customer_id=EMPTY.customer_id,
        unknown={"fields": {"birthday": (["1990-01-01"], [1, "x"])}, "item": {"zz": {"S": "Ada"}}},
    )
    assert merge(newer, KNOWN).unknown == newer.unknown
    erased = merge(newer, ERASED)
    item = encode(MemberRecord(member=erased), Outbox(member=erased.key, changed=True))
    assert erased.unknown == {}
    assert "1990" not in str(item)
    assert "Ada" not in str(item)
    assert decode(item).member == erased


def test_a_joining_that_a_reading_has_found_is_none() -> None:
    """No reading of the API brings the person back."""
    found = Facts(event_id="api-1", at=day(5), milestone=Milestone(kind="joined", detail=FOUND))
    assert record(JOINED, ERASED, found).is_erased


CLAIM = told(3, erasure_asked_at=day(3))


def test_a_claim_drops_nothing() -> None:
    """With an API key a webhook's erasure is a question."""
    member = record(JOINED, KNOWN, CLAIM)
    assert (open_claim(member), member.is_erased, personal(member)) == (day(3), False, list(PERSONAL))


@pytest.mark.parametrize(
    "end",
    [
        told(4, erased_at=day(3)),
        told(4, erasure_refused_at=day(3)),
        told(4, erasure_lifted_at=day(4)),
        told(4, "joined"),
    ],
)
def test_what_ends_a_claim(end: Facts) -> None:
    """An answer, a lifting or a newer joining ends it, in either order; a later webhook asks again."""
    for order in permutations((JOINED, CLAIM, end)):
        assert open_claim(record(*order)) is None
    assert open_claim(record(JOINED, CLAIM, end, told(6, erasure_asked_at=day(6)))) == day(6)
