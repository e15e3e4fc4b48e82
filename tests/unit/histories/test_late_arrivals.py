"""What people are told where an event comes so late that the next fee, or the clock, has spoken before it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from relay.alerts.render.content import content_of
from relay.model.effects import Alert
from relay.model.facts import Facts
from relay.model.member import merge
from relay.model.milestones import FOUND, Milestone
from relay.rules.settings import Rules

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import after, content, effects_of, event

Said = tuple[str, float, dict[str, Any]]

SOFT = "Insufficient funds"
FIRST = ("attempt", 30, {"billingAttempts": 1, "errorMessage": SOFT})
SECOND = ("attempt", 31, {"billingAttempts": 2, "errorMessage": SOFT})
EARLIER = ("attempt", 2, {"billingAttempts": 2, "errorMessage": SOFT})
STOLEN = ("attempt", 30, {"billingAttempts": 1, "errorMessage": "The card was reported stolen"})
FINAL = ("lost", 2, {"billingAttempts": 3})


def play(relay: Programme, *said: Said) -> list[str]:
    """Return what people were told by then."""
    for name, at, differs in said:
        relay.deliver(json.dumps(content(name, at, **differs)).encode(), day(at))
    return [f"{one.kind} {one.alert_message.alert.rule}" for one in relay.sent]


def test_the_end_of_an_older_fee_is_said_while_the_next_one_is_open() -> None:
    """In the thread of its own beginning, with its own figures; the next fee's incident stays open, and ends by itself."""
    relay = Programme(rules=Rules())
    play(relay, EARLIER, STOLEN, ("paid", 3, {"amount": 100}))
    begun, _, ended = relay.sent
    assert (ended.kind, ended.alert_message.alert.rule) == ("resolved", "dunning.recovered")
    assert ended.thread_id == begun.alert_message.event_id
    assert ended.first_message == begun.alert_message
    # By the shop's clock, like every other time that people read.
    shown = content_of(replace(ended, zone=ZoneInfo("Europe/Berlin")))
    assert dict(shown.details)["Next fee"] == "failed as well, on Mon 30 Mar 2026, 14:00 CEST"
    assert len(relay.open) == 1
    assert play(relay, ("paid", 31, {}))[3:] == ["resolved dunning.recovered"]
    assert relay.open == set()


def test_a_silent_next_fee_ends_what_was_told_of_the_one_before() -> None:
    """The member leaves, and the first fee's end was never heard of: those who were warned of it are told."""
    relay = Programme(rules=Rules())
    told = play(relay, EARLIER, FIRST, ("cancelled", 33, {"cancellationSource": "CUSTOMER", "tierId": None}))
    assert told == ["opened dunning.last_chance", "resolved dunning.ended"]
    assert relay.sent[1].thread_id == relay.sent[0].alert_message.event_id


def test_a_silent_older_fee_has_no_end_to_be_said() -> None:
    """No end without a beginning: the first attempt of the older fee was for the digest alone."""
    relay = Programme(rules=Rules())
    older = [("attempt", 1, {"billingAttempts": 1, "errorMessage": SOFT}), ("paid", 3, {})]
    next_fee = ("lost", 30, {"billingAttempts": 3})
    newer = ("attempt", 35, {"billingAttempts": 1, "errorMessage": SOFT})
    assert play(relay, older[0], next_fee, newer, older[1]) == ["opened dunning.failed"]


@pytest.mark.parametrize("end", ["paid", "cancelled", "joined", "free"])
def test_every_order_ends_each_beginning_but_that_of_the_open_fee(end: str) -> None:
    """The first fee's end and the two warnings of the next one, in every order; a whole end is the end of all before it."""
    happened: list[Said] = [FIRST, SECOND, (end, 3.0, {"tierId": None} if end == "cancelled" else {})]
    if end == "cancelled":
        happened.append(("joined", 5.0, {}))
    for order in permutations(happened):
        relay = Programme(rules=Rules())
        play(relay, EARLIER, *order)
        waiting = 0
        for one in relay.sent:
            alert = one.alert_message.alert
            if one.kind == "opened":
                waiting += 1
            elif alert.action == "resolve":
                waiting = waiting - 1 if alert.next_cycle_at else 0
        assert waiting == len(relay.open) == 1, order


def test_a_loss_before_a_reading_found_the_member_back() -> None:
    """The reading closes no fee: the ending that comes late is the end of the older one, and the next one stays open."""
    back = Milestone(kind="joined", detail=FOUND)
    found = Facts(event_id="r", at=day(20), values={"cancelled_at": None}, milestone=back)
    known = after(event("attempt", 31, billingAttempts=1), member=merge(after(event("attempt", 2)), found))
    told = effects_of(event("cancelled", 3, tierId=None), known, Rules())
    ends = [one for one in told if isinstance(one, Alert)]
    assert [(one.rule, one.action, one.next_cycle_at) for one in ends] == [
        ("dunning.lost", "resolve", day(31))
    ]


def test_a_move_after_an_ending_begins_no_membership() -> None:
    """A failure after both is one on a membership that has ended, and so is its payment: nothing is told of either."""
    relay = Programme(rules=Rules())
    told = play(relay, ("cancelled", 1, {"tierId": None}), ("moved", 2, {}), FINAL, ("paid", 3, {}))
    assert [rule for rule in told if "dunning" in rule] == []
    assert [note.name for _, note in relay.notes if note.name == "Membership Payment Recovered"] == []


def test_a_failure_that_thirty_quiet_days_had_hidden_opens_the_incident_again() -> None:
    """The clock said that the fee was quiet; a failure within the thirty days, heard of later, shows that it was not."""
    relay = Programme(rules=Rules())
    play(relay, EARLIER)
    relay.comes_due(day(31), day(33))
    assert relay.open == set()
    told = play(relay, ("attempt", 20, {"billingAttempts": 3, "errorMessage": SOFT}))
    assert told == ["opened dunning.last_chance", "resolved dunning.quiet", "opened dunning.last_chance"]
    assert len(relay.open) == 1
    assert play(relay, ("paid", 21, {}))[3:] == ["resolved dunning.recovered"]
    assert relay.open == set()


def test_a_failure_that_makes_a_payment_a_part_of_the_fee_opens_the_incident_again() -> None:
    """The payment was the whole of what had failed by then; the whole of the larger fee ends it, though it is the older one."""
    relay = Programme(rules=Rules())
    small, large = (
        {"billingAttempts": 2, "amount": 9.5, "errorMessage": SOFT},
        {"amount": 49, "errorMessage": SOFT},
    )
    play(relay, ("attempt", 1, small), ("paid", 5, {"amount": 9.5}))
    assert relay.open == set()
    told = play(relay, ("attempt", 2, {**large, "billingAttempts": 2}))
    assert told[2:] == ["opened dunning.last_chance"]
    assert len(relay.open) == 1
    assert play(relay, ("paid", 3, {"amount": 49}))[3:] == ["resolved dunning.recovered"]
    assert relay.open == set()


@pytest.mark.parametrize("topic", ["attempt", "lost"])
def test_a_failure_that_makes_a_payment_the_whole_of_the_fee_ends_the_incident(topic: str) -> None:
    """The payment was a part of what had failed by then; a smaller amount had been tried last, and it is the whole of that."""
    relay = Programme(rules=Rules())
    large = {"billingAttempts": 2, "amount": 49, "errorMessage": SOFT}
    play(relay, ("attempt", 1, large), ("paid", 5, {"amount": 9.5}))
    assert len(relay.open) == 1
    told = play(relay, (topic, 2, {"billingAttempts": 3, "amount": 9.5, "errorMessage": SOFT}))
    assert told[-1] == "resolved dunning.recovered"
    assert relay.open == set()
    assert "Membership Payment Recovered" in [note.name for _, note in relay.notes]


def test_an_older_failure_does_not_open_what_was_quiet() -> None:
    """It is no newer than the one after which thirty days were quiet."""
    relay = Programme(rules=Rules())
    play(relay, EARLIER)
    relay.comes_due(day(31), day(33))
    assert play(relay, ("attempt", 1, {"billingAttempts": 1, "errorMessage": SOFT}))[2:] == []
    assert relay.open == set()


@pytest.mark.parametrize("dates", [("2026-08-01T07:00:00Z", None), (None, "2026-08-01T07:00:00Z")])
def test_a_request_without_a_date_has_one_incident_in_every_order(
    dates: tuple[str | None, str | None],
) -> None:
    """The date that another request told stands, whichever came first."""
    requests = [
        ("pending", at, {"effectiveCancellationDate": date}) for at, date in enumerate(dates, start=1)
    ]
    found = []
    for order in permutations(requests):
        relay = Programme(rules=Rules())
        play(relay, *order)
        found.append(relay.open)
    assert [{key.rpartition(":")[2] for key in one} for one in found] == [{"2026-08-01"}] * 2


def test_a_recovery_that_was_told_as_another_has_a_key_of_its_own() -> None:
    """Three failures and the second payment were one story; the middle failure makes them two fees, then the first is paid."""
    happened = {
        "first": ("attempt", 1, {"billingAttempts": 1}),
        "middle": ("attempt", 2, {"billingAttempts": 2}),
        "paid": ("paid", 4, {}),
        "next": ("attempt", 26, {"billingAttempts": 1}),
        "paid next": ("paid", 27, {}),
    }
    for order in permutations(happened):
        relay = Programme(rules=Rules())
        play(relay, *(happened[name] for name in order))
        keys = {key for key, note in relay.notes if note.name == "Membership Payment Recovered"}
        assert len(keys) == 2, order


def test_two_final_failures_of_one_fee_are_one_failed_attempt() -> None:
    """One of them has no number, and the attempt itself may come last: one in the timeline and in the figures."""
    happened: list[Said] = [
        ("attempt", 1, {"billingAttempts": 3}),
        ("lost", 1.01, {"billingAttempts": None}),
        FINAL,
    ]
    for order in permutations(happened):
        relay = Programme(rules=Rules())
        play(relay, *order)
        notes = [note for _, note in relay.notes if note.name == "Membership Payment Failed"]
        counted = [kpi for _, kpi in relay.kpis if kpi.name == "failed_attempt"]
        assert (len(notes), len(counted)) == (1, 1), order


def test_two_endings_that_were_taken_for_one_are_two_notes() -> None:
    """The joining between them shows it, whichever of the three comes last."""
    happened = [
        ("cancelled", 1, {"tierId": None, "cancellationSource": "CUSTOMER"}),
        ("joined", 2, {}),
        ("cancelled", 2.4, {"tierId": None, "cancellationSource": "MERCHANT"}),
    ]
    for order in permutations(happened):
        relay = Programme(rules=Rules())
        play(relay, *order)
        told = [(key, note.rule) for key, note in relay.notes if note.name == "Membership Cancelled"]
        assert len(set(told)) == 2, order


def test_two_recoveries_that_an_ending_denies_are_both_counted_as_premature() -> None:
    """One event may deny several pairs: each has a figure of its own."""
    relay = Programme(rules=Rules())
    first, second = {"billingAttempts": 1}, {"tierId": None, "cancellationSource": "CUSTOMER"}
    play(relay, ("attempt", 1, first), ("paid", 9, {}), ("attempt", 25, first), ("paid", 26, {}))
    play(relay, ("cancelled", 5, second))
    keys = {(kpi.key, kpi.rule) for _, kpi in relay.kpis if kpi.name == "premature_recovered"}
    assert len(keys) == 2


def test_a_joining_between_two_requests_parts_their_incidents() -> None:
    """The later request names no date: in every order its incident is open, and that of the earlier one is over."""
    happened: list[Said] = [
        ("pending", 1, {}),
        ("joined", 2, {}),
        ("pending", 3, {"effectiveCancellationDate": "1970-01-01T00:00:00.000Z", "cancelRequest": None}),
    ]
    for order in permutations(happened):
        relay = Programme(rules=Rules())
        play(relay, *order)
        assert {key.rpartition(":")[2] for key in relay.open} == {"unknown"}, order


def test_the_end_of_another_tier_warns_of_no_older_end() -> None:
    """The member left by request; then another tier ends for failed payments, before its joining is heard of."""
    relay = Programme(rules=Rules())
    left = ("cancelled", 3, {"cancellationSource": "CUSTOMER"})
    other = ("cancelled", 30, {"cancellationSource": "FAILURE", "tierId": "77777777"})
    assert play(relay, ("joined", 1, {}), left, other) == []


def test_the_end_of_another_tier_takes_back_no_request() -> None:
    """It ends nothing: the member is still about to leave, on the day and for the reason that the request has."""
    asked = {"effectiveCancellationDate": "2026-04-01T00:00:00.000Z", "cancellationSource": "CUSTOMER"}
    happened: list[Said] = [
        ("joined", 1, {}),
        ("pending", 3, {**asked, "cancelRequest": None}),
        ("cancelled", 5, {"cancellationSource": "FAILURE", "tierId": "77777777"}),
    ]
    for order in permutations(happened):
        relay = Programme(rules=Rules())
        play(relay, *order)
        (key,) = relay.world.members.records
        member = relay.world.members.records[key].member
        assert (member.status, member.value("cancel_reason")) == ("pending_cancellation", "CUSTOMER"), order
        assert member.moment("pending_cancel_at") is not None, order
        assert {key.rpartition(":")[2] for key in relay.open} == {"2026-04-01"}, order
        # The end of the member's own tier is the end of the request as well.
        play(relay, ("cancelled", 32, {"cancellationSource": "CUSTOMER"}))
        member = relay.world.members.records[key].member
        assert (member.status, member.is_leaving, relay.open) == ("cancelled", False, set()), order


def test_a_request_that_comes_after_the_end_is_no_second_one() -> None:
    """The same request with another date is one matter, in every order; after a joining it is another."""
    first: Said = ("pending", 3, {"effectiveCancellationDate": "2026-04-01T00:00:00.000Z"})
    second: Said = ("pending", 4, {"effectiveCancellationDate": "2026-04-02T00:00:00.000Z"})
    end: Said = ("cancelled", 5, {"tierId": None})
    for order in permutations([first, second, end]):
        relay = Programme(rules=Rules())
        play(relay, ("joined", 1, {}), *order)
        assert [note.name for _, note in relay.notes].count("Membership Cancellation Pending") == 1, order
        play(
            relay,
            ("joined", 6, {}),
            ("pending", 7, {"effectiveCancellationDate": "2026-05-02T00:00:00.000Z"}),
        )
        assert [note.name for _, note in relay.notes].count("Membership Cancellation Pending") == 2, order
