"""The schedule yields actions when they are due, by time, and at the same time in the order of adding."""

from __future__ import annotations

from datetime import timedelta

from sim.schedule import Schedule

from tests.unit.sim.sim_worlds import START


def test_due_includes_the_very_time() -> None:
    """An action for the very time is due, one added meanwhile too; a later one stays."""
    schedule = Schedule()
    for hours, kind in ((2, "second"), (1, "first"), (2, "third"), (3, "later")):
        schedule.add(START + timedelta(hours=hours), kind)
    seen = []
    for action in schedule.pop_due(START + timedelta(hours=2)):
        seen.append(action.kind)
        if action.kind == "first":
            schedule.add(action.at, "at once")
    assert seen == ["first", "at once", "second", "third"]
    assert len(schedule) == 1
