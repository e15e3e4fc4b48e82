"""The waiting room: who may pass, who waits, and what a tick takes along."""

from __future__ import annotations

from datetime import timedelta

from relay.alerts.holdback import LONGEST, admit, begin, end, enter, tick_key
from relay.model.effects import Level
from relay.model.hold_queue import HeldEntry, HoldQueue
from relay.model.incident import DeferReason
from relay.rules.settings import Flood

from tests.support.incident_builders import DAY

FLOOD = Flood(alerts=3, minutes=10)
TICK = DAY + timedelta(minutes=15)


def entry(
    number: int, *, minute: int = 0, level: Level = Level.WARNING, why: DeferReason = "flood"
) -> HeldEntry:
    return HeldEntry(
        incident_key=f"dun:{number}",
        event_id=f"e{number}",
        at=DAY + timedelta(minutes=minute),
        level=level,
        why=why,
    )


def admitted(*minutes: float, room: HoldQueue | None = None) -> list[bool]:
    room, passed = room or HoldQueue(), []
    for number, minute in enumerate(minutes):
        room, passes = admit(room, f"e{number}", DAY + timedelta(minutes=minute), FLOOD)
        passed.append(passes)
    return passed


def test_so_many_pass_within_the_window() -> None:
    """The fourth within ten minutes waits; one that is ten minutes later passes."""
    assert admitted(0, 1, 2, 3, 9.9, 10) == [True, True, True, False, False, True]


def test_the_window_goes_by_the_events_times_in_any_order() -> None:
    """What comes late counts where it belongs."""
    assert admitted(60, 0, 61, 1, 62, 2, 63, 3) == [True, True, True, True, True, True, False, False]


def test_the_same_one_again_passes_again() -> None:
    """A crash after the admission must not turn the alert into one that waits."""
    room = HoldQueue(recent={f"e{number}": DAY for number in range(3)})
    assert admit(room, "e1", DAY, FLOOD) == (room, True)
    assert admit(room, "e9", DAY, FLOOD) == (room, False)


def test_who_passed_is_forgotten() -> None:
    """The room does not grow with time."""
    room = HoldQueue()
    for minute in range(500):
        room, _ = admit(room, f"e{minute}", DAY + timedelta(minutes=minute), FLOOD)
    assert len(room.recent) < 20


def test_nobody_waits_twice() -> None:
    """Neither in the room nor while a tick has it in hand."""
    room = enter(HoldQueue(), entry(1))
    assert enter(room, entry(1)) == room
    taken = begin(room, TICK, quiet=False)
    assert enter(taken, entry(1)) == taken


def test_a_room_has_room_for_so_many() -> None:
    """The rest is counted."""
    room = HoldQueue(entries=tuple(entry(number) for number in range(LONGEST)))
    room = enter(enter(room, entry(LONGEST)), entry(LONGEST + 1))
    assert (len(room.entries), room.uncounted) == (LONGEST, 2)
    flush = begin(room, TICK, quiet=False).flushes[tick_key(TICK)]
    assert (len(flush.entries), flush.uncounted, flush.flooded) == (LONGEST, 2, True)


def test_a_tick_takes_what_is_due() -> None:
    """What was said after it stays for the next; at night, so does all that can wait."""
    room = HoldQueue(entries=(entry(1), entry(2, minute=16), entry(3, level=Level.ERROR)))
    day, night = begin(room, TICK, quiet=False), begin(room, TICK, quiet=True)
    assert [one.event_id for one in day.flushes[tick_key(TICK)].entries] == ["e1", "e3"]
    assert [one.event_id for one in night.flushes[tick_key(TICK)].entries] == ["e3"]
    assert [one.event_id for one in night.entries] == ["e1", "e2"]
    assert begin(day, TICK, quiet=False) == day
    assert end(day, TICK).flushes == {}
    assert begin(HoldQueue(), TICK, quiet=False) == HoldQueue()
