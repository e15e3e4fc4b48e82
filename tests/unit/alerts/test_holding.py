"""What is held back is told by a tick: through refusals, too little time, crashes and any order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from relay.alerts.delivery import LEASE
from relay.errors import PermanentError, TransientError
from relay.model.effects import Level
from relay.model.messages import AlertMessage, ClockTick
from relay.rules.settings import Flood

from tests.support.incident_builders import SHOP, Crash, Desk, FakeChannel, alert_message, message
from tests.support.port_fakes import FakeContext
from tests.unit.alerts.held_back import FEW, MORNING, NIGHT, QUIET, at, desk_with, hear, of, tick, titles


def test_what_a_channel_refuses_blocks_no_tick() -> None:
    """It goes to the dead letters, and the room is empty."""
    slack = FakeChannel("slack", [PermanentError("slack_invalid_blocks")])
    desk = desk_with(slack, rules=QUIET)
    hear(desk, at(NIGHT, "e1"), replace(of(1), at=NIGHT))
    [answer] = hear(desk, ClockTick(at=MORNING)).values()
    assert str(answer) == "slack_invalid_blocks: slack"
    assert slack.heard == ["opening WARNING"]
    assert desk.incidents.waiting.flushes == {}


def test_a_tick_with_more_to_tell_than_time_goes_on_later() -> None:
    """It is put off, and what it has told stays told."""

    @dataclass
    class Running(FakeContext):
        left: list[int] = field(default_factory=lambda: [60_000] * 3)

        def get_remaining_time_in_millis(self) -> int:
            return self.left.pop() if self.left else 0

    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, *(replace(of(customer), at=NIGHT) for customer in range(4)))
    [answer] = desk.notifier().work([message(ClockTick(at=MORNING))], Running()).values()
    assert isinstance(answer, TransientError)
    assert len(email.had) == 2
    hear(desk, ClockTick(at=MORNING), deferrals=1)
    assert len(email.had) == 4


def test_an_alert_that_comes_late_waits_for_a_second_tick_of_the_same_time() -> None:
    """The queue may deliver a tick twice: what entered in between is told, too."""
    email = FakeChannel()
    desk = desk_with(email, rules=FEW)
    hear(desk, *(of(customer) for customer in range(5)), tick(15))
    hear(desk, of(5, 1), of(6, 1))
    hear(desk, tick(15))
    assert [one.partition(" ")[0] for one in titles(email)] == ["opening"] * 3 + ["notice"] * 2


FLOODED = [of(customer, customer) for customer in range(5)]


@pytest.mark.parametrize("save", range(40))
def test_a_crash_before_any_save_of_a_flood_and_its_tick(save: int) -> None:
    """Wherever it dies, each is told once: by itself or in the one message. What is told twice is marked."""
    email = FakeChannel()
    desk = desk_with(email, rules=FEW)
    desk.incidents.before_save = [*[None] * save, Crash()]
    survive(desk, [*FLOODED, tick(15), *FLOODED, tick(15), tick(30)])
    alone = [had.alert_message.member for had in email.had if had.kind == "opening" and not had.repeat]
    assert len(alone) == len(set(alone)) == 3
    [rollup] = [had for had in email.had if had.kind == "notice" and not had.repeat]
    assert {key for key, _ in rollup.alert_message.people} == {one.member for one in FLOODED} - set(alone)
    assert sum(had.repeat for had in email.had) <= 1


@pytest.mark.parametrize("save", range(24))
def test_a_crash_before_any_save_of_a_night_and_its_morning(save: int) -> None:
    """Likewise for what waits for the morning; what is over by then is told to nobody."""
    slack = FakeChannel("slack")
    desk = desk_with(slack, rules=QUIET)
    desk.incidents.before_save = [*[None] * save, Crash()]
    waiting = [replace(of(customer), at=NIGHT) for customer in range(2)]
    over = replace(of(1, action="close"), at=NIGHT + timedelta(hours=1), event_id="c1")
    survive(desk, [*waiting, over, ClockTick(at=MORNING), *waiting, over, ClockTick(at=MORNING)])
    assert [had.alert_message.member for had in slack.had if not had.repeat] == [f"{SHOP}:0"]
    assert sum(had.repeat for had in slack.had) <= 1


def survive(desk: Desk, said: Sequence[AlertMessage | ClockTick]) -> None:
    """Let everything be heard; what dies comes again, after its claim has run out."""
    for told in said:
        try:
            hear(desk, told)
        except Crash:
            desk.clock.passes(LEASE.total_seconds())
            hear(desk, told, receives=2)


@pytest.mark.parametrize("seed", range(150))
def test_any_history_in_any_order_with_crashes(seed: int) -> None:
    """No level of a matter is told twice, no end without a beginning, and nothing stays held after the last tick."""
    chance = random.Random(seed)
    rules = QUIET.model_copy(update={"flood": Flood(alerts=chance.choice([1, 3]), minutes=60)})
    email = FakeChannel()
    desk = desk_with(email, rules=rules)
    said: list[AlertMessage | ClockTick] = list(history(chance))
    arrivals = [*said, *chance.choices(said, k=len(said) // 2)]
    chance.shuffle(arrivals)
    desk.incidents.before_save = [Crash() if chance.random() < 0.05 else None for _ in range(400)]
    for told in arrivals:
        for receives in range(1, 9):
            try:
                hear(desk, told, receives=receives)
            except Crash:
                desk.clock.passes(LEASE.total_seconds())
                continue
            break
    desk.incidents.before_save = []
    for hours in (1, 2):
        hear(desk, ClockTick(at=MORNING + timedelta(hours=hours)))
    assert desk.incidents.waiting.entries == ()
    assert desk.incidents.waiting.flushes == {}
    for key, incident in desk.incidents.items.items():
        assert incident.held is None
        assert incident.owed == ()
        assert_told_well(
            [had for had in email.had if had.alert_message.alert.incident_key == key and not had.repeat]
        )


def history(chance: random.Random) -> Sequence[AlertMessage | ClockTick]:
    """Return some days of a few members, most of it at night."""
    said: list[AlertMessage | ClockTick] = []
    for number in range(chance.randrange(4, 16)):
        customer, hours = chance.randrange(5), chance.randrange(8)
        one = alert_message(
            f"n{number}",
            member=f"{SHOP}:{customer}",
            incident_key=f"dun:{SHOP}:{customer}",
            action=chance.choice(["open", "open", "open", "close", "mention"]),
            level=chance.choice(list(Level)),
        )
        said.append(replace(one, at=NIGHT - timedelta(hours=2) + timedelta(hours=hours, minutes=number)))
    return [*said, *(ClockTick(at=NIGHT + timedelta(hours=hours)) for hours in range(0, 7, 2))]


def assert_told_well(heard: Sequence[object]) -> None:
    level: Level | None = None
    for had in heard:
        kind, told = had.kind, had.alert_message.alert.level  # type: ignore[attr-defined]  # announcements
        if kind == "opening":
            level = told
        elif kind == "rise":
            assert level is not None
            assert told > level
            level = told
        elif kind in {"closing", "mention"}:
            assert level is not None
            level = None if kind == "closing" else level
