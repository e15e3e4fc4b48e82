"""A tick sends what was deferred: through refusals, too little time, crashes and any order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from relay.alerts.delivery import CLAIM_DURATION
from relay.errors import PermanentError, TransientError
from relay.model.effects import Level
from relay.model.messages import AlertMessage, ClockTick
from relay.ports.alerts import Notification
from relay.rules.settings import Flood

from tests.support.in_memory_notifier import Crash, FakeChannel, InMemoryNotifier, notifier_with
from tests.support.incident_builders import (
    FLOOD_CONTROL,
    MORNING,
    NIGHT,
    QUIET_HOURS,
    SHOP,
    alert_message,
    member_alert,
    tick_at,
)
from tests.support.port_fakes import FakeContext


def test_a_refusal_blocks_no_tick() -> None:
    """The message goes to the dead letters, and the hold queue is empty."""
    slack = FakeChannel("slack", [PermanentError("slack_invalid_blocks")])
    notifier = notifier_with(slack, rules=QUIET_HOURS)
    notifier.receive(alert_message("e1", at=NIGHT), member_alert(1, at=NIGHT))
    [result] = notifier.receive(ClockTick(at=MORNING)).values()
    assert str(result) == "slack_invalid_blocks: slack"
    assert slack.sent == ["opened WARNING"]
    assert notifier.incidents.hold_queue.due == {}
    assert len(notifier.incidents.hold_queue.given_up) == 1


def test_a_tick_without_enough_time_continues_later() -> None:
    """It is deferred, and what it has sent stays sent."""

    @dataclass
    class RunningOut(FakeContext):
        left: list[int] = field(default_factory=lambda: [60_000] * 3)

        def get_remaining_time_in_millis(self) -> int:
            return self.left.pop() if self.left else 0

    email = FakeChannel()
    notifier = notifier_with(email, rules=QUIET_HOURS)
    notifier.receive(*(member_alert(customer, at=NIGHT) for customer in range(4)))
    [result] = notifier.receive(ClockTick(at=MORNING), context=RunningOut()).values()
    assert isinstance(result, TransientError)
    assert len(email.notifications) == 2
    notifier.receive(ClockTick(at=MORNING), deferrals=1)
    assert len(email.notifications) == 4


def test_a_second_tick_of_the_same_time_sends_late_alerts() -> None:
    """The queue may deliver a tick twice: what was deferred in between is sent, too."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=FLOOD_CONTROL)
    notifier.receive(*(member_alert(customer) for customer in range(5)), tick_at(15))
    notifier.receive(member_alert(5, 1), member_alert(6, 1))
    notifier.receive(tick_at(15))
    assert [one.partition(" ")[0] for one in email.titles] == ["opened"] * 3 + ["notice"] * 2


FLOODED = [member_alert(customer, customer) for customer in range(5)]


@pytest.mark.parametrize("save", range(40))
def test_a_crash_before_any_save_of_a_flood_and_its_tick(save: int) -> None:
    """Each is sent once, by itself or in the roll-up. A repeat is marked."""
    email = FakeChannel()
    notifier = notifier_with(email, rules=FLOOD_CONTROL)
    notifier.incidents.before_save = [*[None] * save, Crash()]
    receive_through_crashes(notifier, [*FLOODED, tick_at(15), *FLOODED, tick_at(15), tick_at(30)])
    first = [one for one in email.notifications if not one.may_be_repeat]
    alone = [one.alert_message.member for one in first if one.kind == "opened"]
    assert len(alone) == len(set(alone)) == 3
    [rollup] = [one for one in first if one.kind == "notice"]
    assert {key for key, _ in rollup.alert_message.people} == {one.member for one in FLOODED} - set(alone)
    assert sum(one.may_be_repeat for one in email.notifications) <= 1


@pytest.mark.parametrize("save", range(24))
def test_a_crash_before_any_save_of_a_night_and_its_morning(save: int) -> None:
    """Likewise for alerts that wait for the morning; an incident resolved by then is not sent."""
    slack = FakeChannel("slack")
    notifier = notifier_with(slack, rules=QUIET_HOURS)
    notifier.incidents.before_save = [*[None] * save, Crash()]
    waiting = [member_alert(customer, at=NIGHT) for customer in range(2)]
    resolved = member_alert(1, event_id="c1", at=NIGHT + timedelta(hours=1), action="resolve")
    once: list[AlertMessage | ClockTick] = [*waiting, resolved, ClockTick(at=MORNING)]
    receive_through_crashes(notifier, [*once, *once])
    assert [one.alert_message.member for one in slack.notifications if not one.may_be_repeat] == [f"{SHOP}:0"]
    assert sum(one.may_be_repeat for one in slack.notifications) <= 1


def receive_through_crashes(notifier: InMemoryNotifier, requests: Sequence[AlertMessage | ClockTick]) -> None:
    """Let the notifier receive each; after a crash it comes again, when the claim has expired."""
    for request in requests:
        try:
            notifier.receive(request)
        except Crash:
            notifier.clock.advance(CLAIM_DURATION.total_seconds())
            notifier.receive(request, receives=2)


@pytest.mark.parametrize("seed", range(150))
def test_any_history_in_any_order_with_crashes(seed: int) -> None:
    """No level is sent twice, no resolution without an opening, and nothing stays deferred after the last tick."""
    chance = random.Random(seed)
    rules = QUIET_HOURS.model_copy(update={"flood": Flood(alerts=chance.choice([1, 3]), minutes=60)})
    email = FakeChannel()
    notifier = notifier_with(email, rules=rules)
    once = history(chance)
    arrivals = [*once, *chance.choices(once, k=len(once) // 2)]
    chance.shuffle(arrivals)
    notifier.incidents.before_save = [Crash() if chance.random() < 0.05 else None for _ in range(400)]
    for request in arrivals:
        for receives in range(1, 9):
            try:
                notifier.receive(request, receives=receives)
            except Crash:
                notifier.clock.advance(CLAIM_DURATION.total_seconds())
                continue
            break
    notifier.incidents.before_save = []
    for hours in (1, 2):
        notifier.receive(ClockTick(at=MORNING + timedelta(hours=hours)))
    assert notifier.incidents.hold_queue.entries == ()
    assert notifier.incidents.hold_queue.due == {}
    for key, incident in notifier.incidents.items.items():
        assert incident.deferred is None
        assert incident.pending == ()
        assert_each_level_once(
            [
                one
                for one in email.notifications
                if one.alert_message.alert.incident_key == key and not one.may_be_repeat
            ]
        )


def history(chance: random.Random) -> Sequence[AlertMessage | ClockTick]:
    """Return hours of a few members, most of them in quiet hours."""
    requests: list[AlertMessage | ClockTick] = []
    for number in range(chance.randrange(4, 16)):
        customer, hours = chance.randrange(5), chance.randrange(8)
        one = member_alert(
            customer,
            event_id=f"n{number}",
            at=NIGHT + timedelta(hours=hours - 2, minutes=number),
            action=chance.choice(["open", "open", "open", "resolve", "update"]),
            level=chance.choice(list(Level)),
        )
        requests.append(one)
    return [*requests, *(ClockTick(at=NIGHT + timedelta(hours=hours)) for hours in range(0, 7, 2))]


def assert_each_level_once(notifications: Sequence[Notification]) -> None:
    level: Level | None = None
    for one in notifications:
        kind, new = one.kind, one.alert_message.alert.level
        if kind == "opened":
            level = new
        elif kind == "escalated":
            assert level is not None
            assert new > level
            level = new
        elif kind in {"resolved", "updated"}:
            assert level is not None
            level = None if kind == "resolved" else level
