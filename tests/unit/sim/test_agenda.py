"""What is planned happens when it is due, in the order of its times, and ties in the order of planning."""

from __future__ import annotations

from datetime import timedelta

from sim.agenda import Agenda

from tests.unit.sim.history import START


def test_due_includes_the_very_moment() -> None:
    """What is planned for the moment itself is due; what is planned meanwhile is, too; what is later stays."""
    agenda = Agenda()
    for hours, kind in ((2, "second"), (1, "first"), (2, "third"), (3, "later")):
        agenda.plan(START + timedelta(hours=hours), kind)
    seen = []
    for happening in agenda.due(START + timedelta(hours=2)):
        seen.append(happening.kind)
        if happening.kind == "first":
            agenda.plan(happening.at, "at once")
    assert seen == ["first", "at once", "second", "third"]
    assert len(agenda) == 1
