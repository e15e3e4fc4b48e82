"""Flood control: many alerts become one roll-up."""

from __future__ import annotations

from relay.errors import TransientError
from relay.model.effects import Level
from relay.ports.members import MemberRecord

from tests.support.in_memory_notifier import FakeChannel, notifier_with
from tests.support.incident_builders import (
    FLOOD_CONTROL,
    SHOP,
    alert_message,
    member,
    member_alert,
    tick_at,
)


def test_a_flood_becomes_one_message() -> None:
    """Three are sent, the other fifty in one message by the next tick, and never again."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    notifier = notifier_with(email, slack, rules=FLOOD_CONTROL)
    for customer in range(53):
        notifier.receive(member_alert(customer, customer / 10))
    assert len(email.notifications) == 3
    for _ in range(2):
        notifier.receive(tick_at(15))
    notifier.receive(tick_at(30))
    assert slack.titles[3:] == email.titles[3:] == ["notice 50 alerts at once, in one message"]
    rollup = email.notifications[3].alert_message
    assert rollup.alert.details == (("Payments failed for good", "50"), ("Money at risk", "2,450.00 USD"))
    assert len(rollup.people) == 10
    for customer in range(53):
        notifier.receive(member_alert(customer, customer / 10))
    assert len(email.notifications) == 4
    assert notifier.incidents.hold_queue.entries == ()
    assert notifier.incidents.hold_queue.due == {}


def test_resolutions_after_a_roll_up() -> None:
    """Only an incident whose opening was sent by itself has its resolution sent."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=FLOOD_CONTROL)
    notifier.receive(*(member_alert(customer) for customer in range(6)), tick_at(15))
    for customer in range(6):
        notifier.receive(member_alert(customer, 20, f"c{customer}", action="resolve"))
    assert [one.partition(" ")[0] for one in email.titles] == ["opened"] * 3 + ["notice"] + ["resolved"] * 3


def test_an_incident_resolved_before_the_tick_is_not_in_the_roll_up() -> None:
    """It is neither counted nor named. A single one that is left is sent by itself; for none, nothing is sent."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=FLOOD_CONTROL)
    notifier.receive(*(member_alert(customer) for customer in range(5)))
    notifier.receive(member_alert(3, 5, "c3", action="resolve"))
    notifier.receive(tick_at(15))
    assert email.titles[3:] == ["opened Payment failed"]
    notifier.receive(member_alert(7, 30), member_alert(8, 30), member_alert(9, 30), member_alert(10, 30))
    notifier.receive(member_alert(10, 31, "c10", action="resolve"), tick_at(45))
    assert len(email.notifications) == 7


def test_a_critical_alert_is_never_part_of_a_flood() -> None:
    """It is sent now, also where a lower one of the same incident is deferred; that one is then dropped."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=FLOOD_CONTROL)
    notifier.receive(*(member_alert(customer) for customer in range(4)))
    notifier.receive(member_alert(3, 5, "worse", level=Level.CRITICAL))
    notifier.receive(tick_at(15))
    assert email.sent == ["opened WARNING"] * 3 + ["opened CRITICAL"]


def test_incidents_of_the_programme_are_never_part_of_a_flood() -> None:
    """They explain it."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=FLOOD_CONTROL)
    notifier.receive(*(member_alert(customer) for customer in range(5)))
    notifier.receive(alert_message("lag", member="", incident_key="inv:acme:lag"))
    assert len(email.notifications) == 4


def test_slack_down_after_a_flood() -> None:
    """The roll-up is sent again until Slack has it, once."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    notifier = notifier_with(email, slack, rules=FLOOD_CONTROL)
    notifier.receive(*(member_alert(customer) for customer in range(6)))
    slack.failures = [TransientError("slack: 503")]
    [result] = notifier.receive(tick_at(15)).values()
    assert isinstance(result, TransientError)
    assert list(notifier.receive(tick_at(15), deferrals=1).values()) == [None]
    assert len(email.notifications) == len(slack.notifications) == 4


def test_members_of_a_roll_up_are_read_when_it_is_sent() -> None:
    """Each has its name in the message."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=FLOOD_CONTROL)
    people = {f"{SHOP}:{number}": member(f"{SHOP}:{number}", first_name=f"N{number}") for number in range(5)}
    notifier.members.records = {key: MemberRecord(member=one, version=1) for key, one in people.items()}
    notifier.receive(*(member_alert(customer) for customer in range(5)), tick_at(15))
    assert {one.text("first_name") for one in email.notifications[-1].people.values()} == {"N3", "N4"}
