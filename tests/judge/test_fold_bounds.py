"""The fold where a record's bounds, a retry or a contradiction leave a field open."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.judge import bodies
from tests.judge.answer import Answer
from tests.judge.building import EMAIL, GOLD, MEMBER, SILVER, Script, at
from tests.judge.fold import fold, statements
from tests.judge.history import Delivery, Event


def answer(script: Script) -> Answer:
    return fold(script.history())[MEMBER]


@pytest.mark.parametrize(("failures", "certain"), [(12, True), (13, False)])
def test_recoveries_are_exact_within_twelve_failures(failures: int, certain: bool) -> None:  # noqa: FBT001
    """Twelve failures are kept: with one more, when a fee was recovered is not certain."""
    script = Script().join("1-1").pay("1-1 1")
    for number in range(failures):
        script.attempt(f"2-{number + 1:02d}", number + 1)
    assert ("recovered_at" not in answer(script.pay("3-1")).open) is certain


@pytest.mark.parametrize(("endings", "certain"), [(40, True), (41, False)])
def test_returns_are_exact_within_forty_endings(endings: int, certain: bool) -> None:  # noqa: FBT001
    """Forty endings are kept, and as many joinings."""
    script = Script()
    for number in range(endings):
        day = f"{1 + number // 20}-{1 + number % 20:02d}"
        script.join(f"{day} 1").cancel(f"{day} 2")
    found = answer(script)
    assert ("rejoin_count" not in found.open) is certain
    assert found.fields["rejoin_count"] == endings - 1


def test_amounts_that_no_float_holds_are_two_events() -> None:
    """`1e400` and `2e400` are two payments of one moment; `10` and `10.0` are one."""
    told = []
    for first, second in (("1e400", "2e400"), ("10", "10.0")):
        bodies_ = [Script().pay("3-1", "@").events[0].deliveries[0].body for _ in range(2)]
        posts = [
            Delivery(at("3-1") + n, body.replace(b'"@"', amount.encode()))
            for n, (body, amount) in enumerate(zip(bodies_, (first, second), strict=True))
        ]
        history = replace(
            Script().history(), events=(Event("e0", bodies.SUCCEEDED, MEMBER, at("3-1"), tuple(posts)),)
        )
        told.append(len({s.identity for s in statements(history)}))
    assert told == [2, 1]


def test_a_retry_that_says_otherwise_leaves_it_open() -> None:
    """Of two deliveries of one event neither is right where they differ."""
    script = Script().join("3-1").cancel("4-1")
    body = script.events[-1].deliveries[0].body.replace(b'"CUSTOMER"', b'"MERCHANT"')
    again = Delivery(at("4-1") + 60_000, body)
    script.events[-1] = replace(script.events[-1], deliveries=(*script.events[-1].deliveries, again))
    found = answer(script)
    assert "cancel_type" in found.open
    assert (found.fields["status"], found.pairs["lost"]) == ("cancelled", 0)


def test_a_trial_that_is_over_leaves_the_status_open() -> None:
    """What came of it no event tells: it is looked up."""
    over = Script().join("3-1", bodies.JOINED_TRIAL)
    assert answer(over).fields["status"] == "trialing"
    assert "status" in answer(over.update("4-20", referrals=1)).open


def test_a_payment_for_another_tier_is_looked_up() -> None:
    """It says nothing of the member's own fee, and nothing of whether a failed one is paid."""
    script = Script().join("3-1").pay("3-1 1").attempt("4-1").pay("4-2")
    body = json.loads(script.events[-1].deliveries[0].body)
    body["payload"]["detail"]["billingTierId"] = "77777777"
    post = replace(script.events[-1].deliveries[0], body=bodies.dump(body))
    script.events[-1] = replace(script.events[-1], deliveries=(post,))
    found = answer(script)
    assert {"payment_status", "fee_amount", "next_payment_on", "status"} <= found.open
    assert found.pairs["recovered"] == 0


def test_only_the_new_record_says_that_a_member_is_erased() -> None:
    """A later word to the contrary lifts no erasure, and the old record's or another topic's makes none."""
    erased = Script().join("3-1").update("3-2", anonymized=True).update("3-3", anonymized=False, email=EMAIL)
    assert answer(erased).erased
    assert not answer(Script().join("3-1").credit("3-2", 0, 5, anonymized=True)).erased


def test_the_end_of_another_tier_ends_nothing() -> None:
    """The member has joined the next tier half a second before: that membership goes on."""
    moved = Script().join("3-1", tier=GOLD).join("4-1", tier=SILVER).cancel("4-1 0:0:0.500", tier=GOLD)
    found = answer(moved)
    assert (found.fields["status"], found.fields["tier_id"]) == ("active", SILVER[0])
    assert not {"status", "tier_id", "joined_at"} & found.open
    assert found.fields["cancelled_at"] is None
    assert answer(moved.cancel("4-2", tier=SILVER)).fields["status"] == "cancelled"
