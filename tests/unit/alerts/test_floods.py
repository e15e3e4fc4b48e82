"""Floods: many matters of one kind are told as one."""

from __future__ import annotations

from dataclasses import replace

from relay.errors import TransientError
from relay.model.effects import Level
from relay.ports.members import MemberRecord

from tests.support.incident_builders import SHOP, FakeChannel, alert_message, member
from tests.unit.alerts.held_back import FEW, desk_with, hear, of, tick, titles


def test_a_flood_becomes_one_message() -> None:
    """Three are told, the other fifty in one message by the next tick, and never again."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    desk = desk_with(email, slack, rules=FEW)
    for customer in range(53):
        hear(desk, of(customer, customer / 10))
    assert len(email.had) == 3
    for _ in range(2):
        hear(desk, tick(15))
    hear(desk, tick(30))
    assert titles(slack)[3:] == titles(email)[3:] == ["notice 50 alerts at once, told in one message"]
    rollup = email.had[3].alert_message
    assert rollup.alert.details == (("customer.payment_failed", "50"), ("Money at risk", "2,450.00 USD"))
    assert len(rollup.people) == 10
    for customer in range(53):
        hear(desk, of(customer, customer / 10))
    assert len(email.had) == 4
    assert desk.incidents.waiting.entries == ()
    assert desk.incidents.waiting.flushes == {}


def test_the_end_of_what_was_rolled_up_is_quiet() -> None:
    """Whoever never heard of the matter by itself has nothing to hear of its end; the others have."""
    email = FakeChannel()
    desk = desk_with(email, rules=FEW)
    hear(desk, *(of(customer) for customer in range(6)), tick(15))
    for customer in range(6):
        closing = replace(of(customer, 20, action="close"), event_id=f"c{customer}")
        hear(desk, closing)
    assert [one.partition(" ")[0] for one in titles(email)] == ["opening"] * 3 + ["notice"] + ["closing"] * 3


def test_what_is_over_before_the_tick_is_not_in_the_message() -> None:
    """Neither counted nor named. One that is left is told by itself, and nothing is sent about nothing."""
    email = FakeChannel()
    desk = desk_with(email, rules=FEW)
    hear(desk, *(of(customer) for customer in range(5)))
    hear(desk, replace(of(3, 5, action="close"), event_id="c3"))
    hear(desk, tick(15))
    assert titles(email)[3:] == ["opening Payment failed"]
    hear(desk, of(7, 30), of(8, 30), of(9, 30), of(10, 30))
    hear(desk, replace(of(10, 31, action="close"), event_id="c10"), tick(45))
    assert len(email.had) == 7


def test_a_critical_one_is_never_part_of_a_flood() -> None:
    """It is told at once, also where a lesser one of the same matter waits; that one is then not told."""
    email = FakeChannel()
    desk = desk_with(email, rules=FEW)
    hear(desk, *(of(customer) for customer in range(4)))
    hear(desk, replace(of(3, 5, level=Level.CRITICAL), event_id="worse"))
    hear(desk, tick(15))
    assert email.heard == ["opening WARNING"] * 3 + ["opening CRITICAL"]


def test_the_programmes_own_matters_are_never_part_of_a_flood() -> None:
    """They are what explains it."""
    email = FakeChannel()
    desk = desk_with(email, rules=FEW)
    hear(desk, *(of(customer) for customer in range(5)))
    hear(desk, alert_message("lag", member="", incident_key="inv:acme:lag"))
    assert len(email.had) == 4


def test_slack_down_after_a_flood() -> None:
    """Likewise the one message about many."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    desk = desk_with(email, slack, rules=FEW)
    hear(desk, *(of(customer) for customer in range(6)))
    slack.failures = [TransientError("slack: 503")]
    [answer] = hear(desk, tick(15)).values()
    assert isinstance(answer, TransientError)
    assert list(hear(desk, tick(15), deferrals=1).values()) == [None]
    assert len(email.had) == len(slack.had) == 4


def test_a_name_for_each_of_the_ten() -> None:
    """Who is named in the one message is looked up when it is written."""
    email = FakeChannel()
    desk = desk_with(email, rules=FEW)
    people = {f"{SHOP}:{number}": member(f"{SHOP}:{number}", first_name=f"N{number}") for number in range(5)}
    desk.members.records = {key: MemberRecord(member=one, version=1) for key, one in people.items()}
    hear(desk, *(of(customer) for customer in range(5)), tick(15))
    assert {one.text("first_name") for one in email.had[-1].people.values()} == {"N3", "N4"}
