"""Writes docs/alarms.md: when each alarm opens and ends in each time line (scripts/alarm-table)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tests.support.alarm_time_lines import BEFORE, STORIES, Story
from tests.support.cloudwatch import Alarm, Manner
from tests.support.template_data import of_type

PAGE: Final = Path(__file__).parents[1] / "docs" / "alarms.md"

_HEAD: Final = """\
# What the alarms see

Every alarm of the stack is played over time lines of its metrics, by CloudWatch's rules
(`tests/unit/template/test_alarm_play.py`). A line below is a fault with the alarms that it opens, each once, and no
other. `+12 min` is counted from the beginning of the fault, `ends +30 min` from its end. [operations.md](operations.md)
says what to do about each. `scripts/alarm-table` writes this page.

| time line | lasts | alarms |
|---|---|---|
"""


def page() -> str:
    """Return the page's text."""
    alarms = {
        properties["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): Alarm(properties)
        for properties in of_type("AWS::CloudWatch::Alarm").values()
    }
    rows = "".join(_row(story, alarms) for story in STORIES)
    metrics = "".join(f"| `{name}` | {len(alarm.keys)} |\n" for name, alarm in alarms.items())
    return f"{_HEAD}{rows}\n## Metrics by alarm\n\nCloudWatch bills an alarm by its metrics.\n\n| alarm | metrics |\n|---|---|\n{metrics}"


def _row(story: Story, alarms: dict[str, Alarm]) -> str:
    line, end = story.shop().line, BEFORE + story.minutes
    opened = []
    for name, alarm in alarms.items():
        changes = alarm.play(line, Manner(0, fills_empty=True))
        if changes:
            begun = f"`{name}` +{changes[0].minute - BEFORE} min"
            ended = f"ends {changes[1].minute - end:+} min" if len(changes) > 1 else "stays open"
            opened.append(f"{begun}, {ended}")
    return f"| {story.name} | {_span(story.minutes)} | {'; '.join(opened) or 'none'} |\n"


def _span(minutes: int) -> str:
    return (
        f"{minutes // 1440} d"
        if minutes % 1440 == 0
        else f"{minutes // 60} h"
        if minutes % 60 == 0
        else f"{minutes} min"
    )


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(page())
