"""Recheck requests: which inconsistencies of a record lead to one, and when it is sent."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from inveterate.webhooks import model_for
from relay.ingest.reducer import ReceivedEvent, Reduction, reduce_events
from relay.model.consistency import BALANCE_GAP, EVIDENCE, NO_EMAIL, inconsistencies
from relay.model.delivery import Delivery
from relay.model.effects import Recheck
from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.member import Member, merge
from relay.model.messages import Outbox, RecheckRequest, load
from relay.ports.members import MemberRecord
from relay.queues.requests import RecheckQueue
from relay.rules.settings import Rules

from tests.support.port_fakes import NOW, SHOP, FakeOutgoing, sample
from tests.support.topic_functions import TOPIC_RULES

MINUTE = timedelta(minutes=1)
GAP = ((Decimal(0), Decimal(5)), (Decimal(9), Decimal(3)))


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
        ([MAIL, {"seen_status": "SOMETHING_NEW"}], set()),
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


def test_an_event_from_the_future_is_rechecked() -> None:
    """An event from the future changes nothing, but something has happened to the member."""
    done = folded(EMPTY, credits_event(11, 0, 5), topic="customer.credits.updated")
    assert (done.record, done.results[0].outcome) == (EMPTY, "ignored")
    assert done.results[0].effects == (f"{0:032x}.recheck.future",)
    assert done.outbox
    assert not done.outbox.changed
    assert [each.effects for each in done.outbox.events] == [
        (Recheck(rule="recheck.future", reason="future"),)
    ]


def test_a_request_waits_in_its_queue() -> None:
    """It is sent with the configured delay; each has its own answer."""
    queue = FakeOutgoing(refuse={1})
    doubts = [RecheckRequest(member=f"{SHOP}:{number}", reason=NO_EMAIL) for number in (1, 2)]
    answers = RecheckQueue(queue, 600).ask(doubts)
    assert [answer is None for answer in answers] == [True, False]
    [sent] = queue.sent
    assert (load(RecheckRequest, sent.body), sent.delay) == (doubts[0], 600)
    assert RecheckQueue(queue, 600).ask([]) == []
