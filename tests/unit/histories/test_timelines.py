"""The documented timelines, played by the simulator: exactly the alerts and CRM states of the golden page."""

from __future__ import annotations

import pytest

from tests.support.timeline_page import HEADS, PAGE, TIMELINES, Timeline, page, readings, table


def test_the_golden_page() -> None:
    """In documented order, each event delivered twice: the page says what people are sent and what the CRM shows."""
    written = PAGE.read_text(encoding="utf-8")
    assert written.startswith(HEADS)
    assert page() == written, "if that is meant: python -m tests.support.timeline_page"


@pytest.mark.parametrize("timeline", TIMELINES, ids=lambda timeline: f"{timeline.title} {timeline.about}")
def test_readings_that_make_no_difference(timeline: Timeline) -> None:
    """What billingDate means, and what a retry keeps, changes nothing of what people are sent or a CRM shows."""
    usual, *others = readings()
    expected = table(timeline, usual)
    assert [reading for reading in others if table(timeline, reading) != expected] == []
