"""The hold queue: which alerts are admitted, which wait, and which of them a tick takes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from relay.alerts.holdback import MAX_ENTRIES, add, admit, finish, take_due, tick_key
from relay.model.effects import Level
from relay.model.hold_queue import GivenUp, HoldQueue, HoldQueueEntry
from relay.model.incident import DeferReason
from relay.model.messages import json_adapter
from relay.rules.settings import Flood

from tests.support.incident_builders import DAY

FLOOD = Flood(alerts=3, minutes=10)
TICK = DAY + timedelta(minutes=15)


def entry(
    number: int, *, minute: int = 0, level: Level = Level.WARNING, reason: DeferReason = "flood"
) -> HoldQueueEntry:
    return HoldQueueEntry(
        incident_key=f"dun:{number}",
        event_id=f"e{number}",
        at=DAY + timedelta(minutes=minute),
        level=level,
        reason=reason,
    )


def admitted(*minutes: float) -> list[bool]:
    queue, results = HoldQueue(), []
    for number, minute in enumerate(minutes):
        queue, is_admitted = admit(queue, f"e{number}", DAY + timedelta(minutes=minute), FLOOD)
        results.append(is_admitted)
    return results


def test_the_most_within_the_window() -> None:
    """The fourth within ten minutes is deferred; one that is ten minutes later is admitted."""
    assert admitted(0, 1, 2, 3, 9.9, 10) == [True, True, True, False, False, True]


def test_the_window_uses_event_times_in_any_order() -> None:
    """A late event counts at its own time."""
    assert admitted(60, 0, 61, 1, 62, 2, 63, 3) == [True, True, True, True, True, True, False, False]


def test_the_same_alert_is_admitted_again() -> None:
    """A crash after the admission must not defer the alert."""
    queue = HoldQueue(recently_sent={f"e{number}": DAY for number in range(3)})
    assert admit(queue, "e1", DAY, FLOOD) == (queue, True)
    assert admit(queue, "e9", DAY, FLOOD) == (queue, False)


def test_admissions_are_bounded() -> None:
    """The queue does not grow with time."""
    queue = HoldQueue()
    for minute in range(500):
        queue, _ = admit(queue, f"e{minute}", DAY + timedelta(minutes=minute), FLOOD)
    assert len(queue.recently_sent) < 20


def test_no_entry_twice() -> None:
    """Neither in the queue nor while a tick's batch has it."""
    queue = add(HoldQueue(), entry(1))
    assert add(queue, entry(1)) == queue
    taken = take_due(queue, TICK, quiet=False)
    assert add(taken, entry(1)) == taken


def test_entries_are_bounded() -> None:
    """The rest is counted."""
    queue = HoldQueue(entries=tuple(entry(number) for number in range(MAX_ENTRIES)))
    queue = add(add(queue, entry(MAX_ENTRIES)), entry(MAX_ENTRIES + 1))
    assert (len(queue.entries), queue.uncounted) == (MAX_ENTRIES, 2)
    batch = take_due(queue, TICK, quiet=False).due[tick_key(TICK)]
    assert (len(batch.entries), batch.uncounted, batch.has_flood) == (MAX_ENTRIES, 2, True)


def test_a_flood_through_an_outage_fits_into_one_item() -> None:
    """A channel is down for an hour: no tick's batch ends, and each tick takes a thousand more."""
    key = f"{'a' * 60}.myshopify.com:7733540520067"
    ids = [f"{number:032x}" for number in range(4_000)]
    queue = HoldQueue(recently_sent={f"{one}.dunning.last_chance": DAY for one in ids[:500]})
    for tick in range(4):
        for one in ids[tick * 1_000 :][:1_000]:
            queue = add(queue, replace(entry(1), incident_key=f"dun:{key}", event_id=one))
        at = TICK + timedelta(minutes=15 * tick)
        queue = take_due(queue, at, quiet=False)
    refused = [GivenUp(tick=tick_key(TICK), incident_key=f"dun:{key}", event_id=one) for one in ids]
    queue = finish(queue, TICK - timedelta(minutes=15), refused)
    assert queue.uncounted == 3_000
    assert len(json_adapter(HoldQueue).dump_json(queue, exclude_defaults=True)) < 400_000


def test_a_tick_takes_what_is_due() -> None:
    """Later entries stay for the next tick; in quiet hours, so do warnings."""
    queue = HoldQueue(entries=(entry(1), entry(2, minute=16), entry(3, level=Level.ERROR)))
    day, night = take_due(queue, TICK, quiet=False), take_due(queue, TICK, quiet=True)
    assert [one.event_id for one in day.due[tick_key(TICK)].entries] == ["e1", "e3"]
    assert [one.event_id for one in night.due[tick_key(TICK)].entries] == ["e3"]
    assert [one.event_id for one in night.entries] == ["e1", "e2"]
    assert take_due(day, TICK, quiet=False) == day
    assert finish(day, TICK).due == {}
    assert take_due(HoldQueue(), TICK, quiet=False) == HoldQueue()
