"""Floods and nights: what is held back, told as one or in the morning, and not at all when it is over."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta

import pytest
from relay.batch import Answers
from relay.changes import Telling, Tick
from relay.effects import Level
from relay.errors import PermanentError, TransientError
from relay.ports.members import Record
from relay.rules import Flood, QuietHours, Rules
from relay.telling.serving import LEASE

from tests.fakes import FakeContext, FakeMembers
from tests.tellings import DAY, MIA, SHOP, Crash, Desk, FakeChannel, member, message, telling

NIGHT = datetime(2025, 7, 1, 23, 0, tzinfo=UTC)
"""One in the morning in Berlin, where the shop is."""

MORNING = datetime(2025, 7, 2, 5, 15, tzinfo=UTC)
QUIET = Rules(quiet_hours=QuietHours(begin=time(22), end=time(7)))
FEW = Rules(flood=Flood(alerts=3, minutes=10))


def of(customer: int, minute: float = 0, **told: object) -> Telling:
    """Return an alert about one of many members."""
    one = telling(
        f"e{customer}",
        member=f"{SHOP}:{customer}",
        occasion=f"dun:{SHOP}:{customer}",
        **told,  # type: ignore[arg-type]
    )
    return replace(one, at=DAY + timedelta(minutes=minute))


def at(moment: datetime, event_id: str, **told: object) -> Telling:
    """Return an alert about Mia at a moment."""
    return replace(telling(event_id, **told), at=moment)  # type: ignore[arg-type]


def desk_with(*channels: FakeChannel, rules: Rules) -> Desk:
    return Desk(channels=channels, members=FakeMembers({MIA.key: Record(member=MIA, version=1)}, rules=rules))


def hear(desk: Desk, *said: Telling | Tick, deferrals: int = 0, receives: int = 1) -> Answers:
    messages = [message(told, deferrals=deferrals, receives=receives) for told in said]
    return desk.notifier().work(messages, FakeContext())


def tick(minute: float) -> Tick:
    return Tick(at=DAY + timedelta(minutes=minute))


def titles(channel: FakeChannel) -> list[str]:
    return [f"{had.kind} {had.telling.alert.title}" for had in channel.had]


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
    rollup = email.had[3].telling
    assert rollup.alert.details == (("customer.payment_failed", "50"), ("Money at risk", "2,450.00 USD"))
    assert len(rollup.people) == 10
    for customer in range(53):
        hear(desk, of(customer, customer / 10))
    assert len(email.had) == 4
    assert desk.occasions.waiting.entries == ()
    assert desk.occasions.waiting.flushes == {}


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
    hear(desk, telling("lag", member="", occasion="inv:acme:lag"))
    assert len(email.had) == 4


def test_at_night_a_warning_waits_for_the_morning() -> None:
    """An error does not. In the morning each is told by itself, with its own time."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, at(NIGHT, "e1"))
    hear(desk, replace(of(1, level=Level.ERROR), at=NIGHT))
    assert email.heard == ["opening ERROR"]
    hear(desk, Tick(at=NIGHT + timedelta(minutes=15)))
    assert email.heard == ["opening ERROR"]
    hear(desk, Tick(at=MORNING))
    hear(desk, Tick(at=MORNING + timedelta(minutes=15)))
    assert email.heard == ["opening ERROR", "opening WARNING"]
    assert email.had[1].telling.at == NIGHT
    assert email.had[1].member == MIA


def test_what_is_over_by_the_morning_is_not_told() -> None:
    """Neither its beginning nor its end."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, at(NIGHT, "e1"))
    hear(desk, at(NIGHT + timedelta(hours=1), "e2", action="close"))
    hear(desk, Tick(at=MORNING))
    assert email.heard == []


def test_the_end_of_an_evenings_warning_waits_too() -> None:
    """The end of an error is told at once, as its beginning was."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    evening = NIGHT - timedelta(hours=5)
    hear(desk, at(evening, "e1"), replace(of(1, level=Level.ERROR), at=evening))
    hear(desk, at(NIGHT, "e2", action="close"), replace(of(1, action="close"), at=NIGHT, event_id="c1"))
    assert email.heard == ["opening WARNING", "opening ERROR", "closing WARNING"]
    hear(desk, Tick(at=MORNING))
    assert [had.telling.event_id for had in email.had] == ["e1", "e1", "c1", "e2"]


def test_a_warning_that_grows_worse_at_night_is_told_once() -> None:
    """At once, as what it is by now; the morning adds nothing."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, at(NIGHT, "e1"))
    hear(desk, at(NIGHT + timedelta(hours=1), "e2", level=Level.ERROR))
    hear(desk, Tick(at=MORNING))
    assert email.heard == ["opening ERROR"]


def test_a_night_of_many_is_one_message() -> None:
    """More than a flood's worth is a flood, however slowly it came."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET.model_copy(update={"flood": Flood(alerts=3, minutes=10)}))
    for customer in range(5):
        hear(desk, replace(of(customer), at=NIGHT + timedelta(hours=customer)))
    hear(desk, Tick(at=MORNING))
    assert titles(email) == ["notice 5 alerts at once, told in one message"]


def test_what_was_muted_meanwhile_is_not_told_in_the_morning() -> None:
    """Somebody looked at it before."""
    email = FakeChannel()
    desk = desk_with(email, rules=QUIET)
    hear(desk, at(NIGHT, "e1"))
    [key] = desk.occasions.items
    desk.occasions.items[key] = replace(desk.occasions.items[key], muted_until=MORNING + timedelta(days=1))
    hear(desk, Tick(at=MORNING))
    assert email.heard == []


def test_slack_down_in_the_morning() -> None:
    """The tick comes again until each channel has each message, once."""
    email, slack = FakeChannel("email"), FakeChannel("slack", [TransientError("slack: 503")] * 2)
    desk = desk_with(email, slack, rules=QUIET)
    hear(desk, at(NIGHT, "e1"), replace(of(1), at=NIGHT))
    for deferrals in range(2):
        [answer] = hear(desk, Tick(at=MORNING), deferrals=deferrals).values()
        assert isinstance(answer, TransientError)
    assert list(hear(desk, Tick(at=MORNING), deferrals=2).values()) == [None]
    assert email.heard == slack.heard == ["opening WARNING"] * 2


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


def test_what_a_channel_refuses_blocks_no_tick() -> None:
    """It goes to the dead letters, and the room is empty."""
    slack = FakeChannel("slack", [PermanentError("slack_invalid_blocks")])
    desk = desk_with(slack, rules=QUIET)
    hear(desk, at(NIGHT, "e1"), replace(of(1), at=NIGHT))
    [answer] = hear(desk, Tick(at=MORNING)).values()
    assert str(answer) == "slack_invalid_blocks: slack"
    assert slack.heard == ["opening WARNING"]
    assert desk.occasions.waiting.flushes == {}


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
    [answer] = desk.notifier().work([message(Tick(at=MORNING))], Running()).values()
    assert isinstance(answer, TransientError)
    assert len(email.had) == 2
    hear(desk, Tick(at=MORNING), deferrals=1)
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
    desk.occasions.before_save = [*[None] * save, Crash()]
    survive(desk, [*FLOODED, tick(15), *FLOODED, tick(15), tick(30)])
    alone = [had.telling.member for had in email.had if had.kind == "opening" and not had.repeat]
    assert len(alone) == len(set(alone)) == 3
    [rollup] = [had for had in email.had if had.kind == "notice" and not had.repeat]
    assert {key for key, _ in rollup.telling.people} == {one.member for one in FLOODED} - set(alone)
    assert sum(had.repeat for had in email.had) <= 1


@pytest.mark.parametrize("save", range(24))
def test_a_crash_before_any_save_of_a_night_and_its_morning(save: int) -> None:
    """Likewise for what waits for the morning; what is over by then is told to nobody."""
    slack = FakeChannel("slack")
    desk = desk_with(slack, rules=QUIET)
    desk.occasions.before_save = [*[None] * save, Crash()]
    waiting = [replace(of(customer), at=NIGHT) for customer in range(2)]
    over = replace(of(1, action="close"), at=NIGHT + timedelta(hours=1), event_id="c1")
    survive(desk, [*waiting, over, Tick(at=MORNING), *waiting, over, Tick(at=MORNING)])
    assert [had.telling.member for had in slack.had if not had.repeat] == [f"{SHOP}:0"]
    assert sum(had.repeat for had in slack.had) <= 1


def survive(desk: Desk, said: Sequence[Telling | Tick]) -> None:
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
    said: list[Telling | Tick] = list(history(chance))
    arrivals = [*said, *chance.choices(said, k=len(said) // 2)]
    chance.shuffle(arrivals)
    desk.occasions.before_save = [Crash() if chance.random() < 0.05 else None for _ in range(400)]
    for told in arrivals:
        for receives in range(1, 9):
            try:
                hear(desk, told, receives=receives)
            except Crash:
                desk.clock.passes(LEASE.total_seconds())
                continue
            break
    desk.occasions.before_save = []
    for hours in (1, 2):
        hear(desk, Tick(at=MORNING + timedelta(hours=hours)))
    assert desk.occasions.waiting.entries == ()
    assert desk.occasions.waiting.flushes == {}
    for key, occasion in desk.occasions.items.items():
        assert occasion.held is None
        assert occasion.owed == ()
        assert_told_well([had for had in email.had if had.telling.alert.occasion == key and not had.repeat])


def history(chance: random.Random) -> Sequence[Telling | Tick]:
    """Return some days of a few members, most of it at night."""
    said: list[Telling | Tick] = []
    for number in range(chance.randrange(4, 16)):
        customer, hours = chance.randrange(5), chance.randrange(8)
        one = telling(
            f"n{number}",
            member=f"{SHOP}:{customer}",
            occasion=f"dun:{SHOP}:{customer}",
            action=chance.choice(["open", "open", "open", "close", "mention"]),
            level=chance.choice(list(Level)),
        )
        said.append(replace(one, at=NIGHT - timedelta(hours=2) + timedelta(hours=hours, minutes=number)))
    return [*said, *(Tick(at=NIGHT + timedelta(hours=hours)) for hours in range(0, 7, 2))]


def assert_told_well(heard: Sequence[object]) -> None:
    level: Level | None = None
    for had in heard:
        kind, told = had.kind, had.telling.alert.level  # type: ignore[attr-defined]  # announcements
        if kind == "opening":
            level = told
        elif kind == "rise":
            assert level is not None
            assert told > level
            level = told
        elif kind in {"closing", "mention"}:
            assert level is not None
            level = None if kind == "closing" else level


def test_a_name_for_each_of_the_ten() -> None:
    """Who is named in the one message is looked up when it is written."""
    email = FakeChannel()
    desk = desk_with(email, rules=FEW)
    people = {f"{SHOP}:{number}": member(f"{SHOP}:{number}", first_name=f"N{number}") for number in range(5)}
    desk.members.records = {key: Record(member=one, version=1) for key, one in people.items()}
    hear(desk, *(of(customer) for customer in range(5)), tick(15))
    assert {one.text("first_name") for one in email.had[-1].people.values()} == {"N3", "N4"}
