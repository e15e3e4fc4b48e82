"""Recheck requests: which inconsistencies of a record lead to one, and when it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from inveterate.webhooks import model_for
from relay.ingest.reducer import ReceivedEvent, Reduction, reduce_events
from relay.model.consistency import (
    AFTER_END,
    BALANCE_GAP,
    EVIDENCE,
    NO_EMAIL,
    OTHER_TIER,
    OVERDUE_END,
    OVERDUE_TRIAL,
    PAID_AFTER_END,
    PAID_PART,
    RETRIED,
    UNDATED,
    UNKNOWN_WORD,
    inconsistencies,
)
from relay.model.delivery import Delivery
from relay.model.effects import Recheck
from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.member import Member, merge
from relay.model.messages import Outbox
from relay.model.milestones import Milestone
from relay.ports.members import MemberRecord
from relay.rules.settings import Rules

from tests.support.port_fakes import NOW, SHOP, sample
from tests.support.topic_functions import TOPIC_RULES

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
GAP = ((Decimal(0), Decimal(5)), (Decimal(9), Decimal(3)))  # a minute apart


def known(*facts: dict[str, Value]) -> Member:
    """Return a member with these facts merged, a minute apart."""
    member = Member(shop=SHOP, customer_id="1")
    for minute, values in enumerate(facts):
        at = NOW + minute * MINUTE
        member = merge(member, Facts(event_id=f"{minute:032x}", at=at, values=values))
    return member


MAIL: dict[str, Value] = {"email": "a@example.com", "tier_id": "t1", "joined_at": NOW}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([MAIL], set()),
        ([{}], {NO_EMAIL}),
        ([{"email": None}], {NO_EMAIL}),
        ([{"erased_at": NOW}], set()),
        # status: in the platform's words, as new as what the record says
        ([MAIL, {"seen_status": "ACTIVE"}], set()),
        ([MAIL, {"seen_status": "CANCELLED"}], {EVIDENCE}),
        ([MAIL, {"seen_status": "PENDING_CANCELLATION"}], {EVIDENCE}),
        ([MAIL, {"seen_status": "SOMETHING_NEW"}], {UNKNOWN_WORD}),
        ([MAIL, {"seen_status": "SOMETHING_NEW", "read_at": NOW + MINUTE}], set()),
        ([MAIL, {"seen_status": None}], set()),
        ([MAIL, {"seen_status": "ACTIVE"}, {"cancelled_at": NOW}], set()),
        ([MAIL, {"cancelled_at": NOW}, {"seen_status": "ACTIVE"}], {EVIDENCE}),
        ([MAIL, {"cancelled_at": NOW}, {"seen_status": "cancelled"}], set()),
        ([MAIL, {"cancelled_at": NOW, "seen_status": "ACTIVE"}], {EVIDENCE}),
        ([MAIL, {"pending_cancel_at": NOW}, {"seen_status": "PENDING_CANCELLATION"}], set()),
        ([MAIL, {"failed_attempts": 1}, {"seen_status": "ACTIVE"}], set()),
        ([MAIL, {"found_status": "cancelled"}, {"seen_status": "CANCELLED"}], set()),
        # tier
        ([MAIL, {"seen_tier_id": "t1"}], set()),
        ([MAIL, {"seen_tier_id": "t2"}], {EVIDENCE}),
        ([MAIL, {"seen_tier_id": None}], {EVIDENCE}),
        ([{"seen_tier_id": "t2"}, MAIL], set()),
        ([MAIL, {"cancelled_at": NOW, "seen_tier_id": None}], set()),
        # balance
        ([MAIL, {"seen_balance": Decimal(0)}], set()),
        ([MAIL, {"seen_balance": Decimal(5)}], {EVIDENCE}),
        ([MAIL, {"credit_balance": Decimal(5)}, {"seen_balance": Decimal("5.00")}], set()),
        ([MAIL, {"credit_balance": Decimal(5)}, {"seen_balance": Decimal(0)}], {EVIDENCE}),
        ([MAIL, {"credit_balance": Decimal(5)}, {"seen_balance": None}], set()),
        ([MAIL, {"seen_balance": Decimal(9)}, {"credit_balance": Decimal(5)}], set()),
    ],
)
def test_why_a_record_may_be_wrong(facts: list[dict[str, Value]], expected: set[str]) -> None:
    """A missing address, and evidence that is no older than what it contradicts."""
    assert inconsistencies(known(*facts)) == expected


def test_a_hole_in_the_chain() -> None:
    """A change that does not begin where the last one ended is a gap until the missing one comes."""
    member = known(MAIL)
    for minute, balances in enumerate(GAP):
        at = NOW + minute * MINUTE
        member = merge(member, Facts(event_id=f"{minute:032x}", at=at, balances=balances))
    assert inconsistencies(member) == {BALANCE_GAP}
    missing = Facts(event_id="f" * 32, at=NOW + MINUTE / 2, balances=(Decimal(5), Decimal(9)))
    assert inconsistencies(merge(member, missing)) == set()


def folded(record: MemberRecord, *contents: dict[str, Any], topic: str) -> Reduction[Any]:
    arrivals = [
        ReceivedEvent(
            f"m{number}",
            Delivery(event_id=f"{number:032x}", body=b"", received_at=NOW, topic=topic),
            model_for(topic).read(json.dumps(content), event_id=f"{number:032x}", received_at=NOW),
        )
        for number, content in enumerate(contents)
    ]
    return reduce_events(record, arrivals, TOPIC_RULES[topic], Rules())


def credits_event(minute: int, before: int, after: int) -> dict[str, Any]:
    content = sample("customer.credits.updated")
    at = NOW + minute * MINUTE
    content["payload"] |= {
        "customerId": "1", "createdAt": at.isoformat(), "previousBalance": before, "newBalance": after,
    }  # fmt: skip
    content["metadata"]["triggerredAt"] = at.isoformat()
    return content


EMPTY = MemberRecord(member=Member(shop=SHOP, customer_id="1"))


def test_a_new_inconsistency_is_requested_once() -> None:
    """The write that opens a gap has the request, and so has its journal line; the next one has none."""
    topic = "customer.credits.updated"
    first = folded(EMPTY, credits_event(-3, 0, 5), credits_event(-2, 9, 3), topic=topic)
    assert first.outbox
    assert questions(first.outbox) == [Recheck(rule="recheck.balance_gap", reason=BALANCE_GAP)]
    asked = f"{1:032x}.recheck.balance_gap"
    assert [asked in result.effects for result in first.results] == [False, True]
    second = folded(replace_seen(first.record), credits_event(-1, 3, 4), topic=topic)
    assert second.outbox
    assert questions(second.outbox) == []


def questions(outbox: Outbox) -> list[Recheck]:
    """Return the rechecks that a write requests."""
    effects = (effect for event_effects in outbox.events for effect in event_effects.effects)
    return [effect for effect in effects if isinstance(effect, Recheck)]


def replace_seen(record: MemberRecord) -> MemberRecord:
    return MemberRecord(member=record.member, version=1)


def test_a_hole_that_the_same_batch_closes_is_none() -> None:
    """Inconsistencies are looked for after all of a member's events."""
    events = [credits_event(-3, 0, 5), credits_event(-1, 9, 3), credits_event(-2, 5, 9)]
    outbox = folded(EMPTY, *events, topic="customer.credits.updated").outbox
    assert outbox
    assert questions(outbox) == []


def test_an_event_without_a_possible_time_is_rechecked() -> None:
    """Only its receipt dates it: it is merged, counted as drift, and the API is asked."""
    content = credits_event(11, 0, 5)
    content["metadata"]["triggerredAt"] = "2019-13-01"
    done = folded(EMPTY, content, topic="customer.credits.updated")
    assert (done.record.member.balance, done.results[0].outcome) == (Decimal(5), "applied")
    assert done.record.member.newest_at == NOW
    assert "metadata.triggerredAt" in done.results[0].received.event.drift
    assert done.outbox
    assert questions(done.outbox) == [Recheck(rule="recheck.undated", reason=UNDATED)]
    # Receiving it once more asks nothing again.
    again = folded(done.record, content, topic="customer.credits.updated")
    assert again.outbox is None


@pytest.mark.parametrize(
    ("differs", "expected"),
    [
        ({}, []),
        ({"email": "former@example.com"}, [RETRIED]),
        ({"credit": 99}, [EVIDENCE, RETRIED]),
        ({"tierId": "another"}, [EVIDENCE, RETRIED]),
    ],
)
def test_a_retried_snapshot_is_dated_by_its_lower_bound(differs: dict[str, Any], expected: list[str]) -> None:
    """The values of a newer snapshot stay; where the retry says otherwise, the API is asked."""
    topic = "customer.updated"
    snapshot = sample(topic)
    snapshot["metadata"]["triggerredAt"] = (NOW - MINUTE).isoformat()
    snapshot["payload"]["newData"] |= {
        "credit": 0,
        "tierId": "t1",
        "updatedAt": (NOW - 9 * MINUTE).isoformat(),
    }
    known = merge(EMPTY.member, Facts(event_id="f" * 32, at=NOW - 9 * MINUTE, values={"tier_id": "t1"}))
    first = folded(MemberRecord(member=known), snapshot, topic=topic).record
    retry = json.loads(json.dumps(snapshot))
    retry["metadata"] |= {"retryCount": 1, "triggerredAt": NOW.isoformat()}
    retry["payload"]["newData"] |= differs
    done = folded(MemberRecord(member=first.member), retry, topic=topic)
    assert done.record.member.value("email") == first.member.value("email")
    assert done.results[0].received.event.occurred_at == NOW - 9 * MINUTE
    reasons = [request.reason for request in questions(done.outbox)] if done.outbox else []
    assert sorted(reasons) == [reason for reason in expected if reason != EVIDENCE]


STORY = {
    "joined": Milestone(kind="joined", detail="paid", tier="t1"),
    "free": Milestone(kind="moved", detail="free", tier="t0"),
    "moved": Milestone(kind="moved", tier="t2"),
    "failed": Milestone(kind="failed", amount=Decimal(50), currency="USD"),
    "paid": Milestone(kind="paid", amount=Decimal(50), currency="USD"),
    "part": Milestone(kind="paid", amount=Decimal(9), currency="USD"),
    "other": Milestone(kind="ended", detail="voluntary", tier="t9"),
    "ended": Milestone(kind="ended", detail="voluntary", tier="t1"),
    "word": Milestone(kind="ended", detail="unknown", tier="t1"),
    "pending": None,
    "trial": None,
    "order": None,
}
VALUES: dict[str, Callable[[datetime], dict[str, Value]]] = {
    "joined": lambda at: {**MAIL, "tier_type": "paid", "cancelled_at": None},
    "free": lambda at: {"tier_id": "t0", "tier_type": "free"},
    "moved": lambda at: {"tier_id": "t2", "tier_changed_at": at},
    "failed": lambda at: {"last_failure_at": at, "unpaid": Decimal(50), "unpaid_currency": "USD"},
    "paid": lambda at: {"last_payment_at": at},
    "part": lambda at: {"last_payment_at": at},
    "other": lambda at: {"cancelled_at": at},
    "ended": lambda at: {"cancelled_at": at},
    "word": lambda at: {"cancelled_at": at},
    "pending": lambda at: {"pending_since": at, "pending_cancel_at": at + 5 * DAY},
    "trial": lambda at: {**MAIL, "trial_ends_at": at + 5 * DAY},
    "order": lambda at: {"last_order_at": at},
    "read": lambda at: {"read_at": at},
}


def story(*steps: tuple[float, str]) -> Member:
    """Return a member after these steps, each on a day."""
    member = Member(shop=SHOP, customer_id="1")
    for number, (days, name) in enumerate(steps):
        at = NOW + days * DAY
        mark = STORY.get(name)
        rank = {"ended": 7, "paid": 6, "failed": 4, "joined": 9, "moved": 8}[mark.kind] if mark else 1
        facts = Facts(event_id=f"{number:032x}", at=at, rank=rank, values=VALUES[name](at), milestone=mark)
        member = merge(member, facts)
    return member


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(0, "joined"), (1, "paid")], set()),
        ([(0, "joined"), (1, "ended"), (2, "paid")], {PAID_AFTER_END}),
        ([(0, "joined"), (2, "paid"), (1, "ended")], {PAID_AFTER_END}),
        ([(0, "joined"), (1, "ended"), (2, "paid"), (3, "read")], set()),
        ([(0, "joined"), (1, "ended"), (2, "joined"), (3, "paid")], set()),
        ([(0, "joined"), (1, "free"), (2, "paid")], {PAID_AFTER_END}),
        ([(0, "joined"), (1, "pending"), (2, "paid")], set()),
        ([(0, "joined"), (1, "pending"), (6.5, "paid")], {PAID_AFTER_END}),
        ([(0, "joined"), (1, "pending"), (9, "order")], {OVERDUE_END}),
        ([(0, "joined"), (1, "pending"), (6.5, "order")], set()),
        ([(0, "trial"), (7, "order")], set()),
        ([(0, "trial"), (9, "order")], {OVERDUE_TRIAL}),
        ([(0, "trial"), (9, "order"), (9.5, "read")], set()),
        ([(0, "trial"), (5, "paid"), (9, "order")], set()),
        ([(0, "joined"), (1, "failed"), (2, "part")], {PAID_PART}),
        ([(0, "joined"), (1, "failed"), (2, "paid")], set()),
        # What only a running membership has, after its end: no topic reports that a member was reactivated.
        ([(0, "joined"), (1, "ended"), (2, "pending")], {AFTER_END}),
        ([(0, "joined"), (1, "ended"), (2, "moved")], {AFTER_END}),
        ([(0, "joined"), (1, "ended"), (2.5, "failed")], {AFTER_END}),
        ([(0, "joined"), (1, "free"), (2.5, "failed")], {AFTER_END}),
        ([(0, "joined"), (1, "ended"), (2.5, "failed"), (3, "read")], set()),
        ([(0, "joined"), (1, "ended"), (2, "read"), (2.5, "failed")], {AFTER_END}),
        ([(0, "joined"), (1, "ended"), (1.5, "failed")], set()),
        ([(0, "joined"), (1, "free"), (1.5, "failed")], set()),
        ([(0, "joined"), (1, "moved"), (2, "ended")], {OTHER_TIER}),
        ([(0, "joined"), (1, "pending"), (2, "ended")], set()),
        ([(0, "joined"), (1, "ended"), (2, "joined"), (3, "pending"), (4, "failed"), (5, "moved")], set()),
        ([(0, "joined"), (1, "other")], {OTHER_TIER}),
        ([(0, "joined"), (1, "other"), (2, "read")], set()),
        ([(0, "joined"), (1, "word")], {UNKNOWN_WORD}),
        ([(0, "joined"), (1, "word"), (2, "read")], set()),
    ],
)
def test_contradictions_are_looked_up_once(steps: list[tuple[float, str]], expected: set[str]) -> None:
    """Each step on its day, in any order of arrival; a reading of the API since then has answered."""
    assert inconsistencies(story(*steps)) == expected
    assert inconsistencies(story(*steps[::-1])) == expected


def test_an_ending_of_another_tier_ends_nothing() -> None:
    """Nor does it hide the ending of the member's own tier that came before it."""
    assert story((0, "joined"), (1, "other")).status == "active"
    left = story((0, "joined"), (1, "ended"), (2, "other"))
    assert (left.status, left.ended_at) == ("cancelled", NOW + DAY)
