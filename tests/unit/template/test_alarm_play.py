"""Every alarm is played over time lines of its metrics: it opens and ends when it should, and no other one does."""

from __future__ import annotations

import pytest

from scripts.alarm_table import PAGE, page
from tests.support.alarm_time_lines import BEFORE, STORIES, Story
from tests.support.cloudwatch import Alarm, Change, Manner, MetricKey, TimeLine, evaluate
from tests.support.template_data import of_type

ALARMS = {
    properties["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): Alarm(properties)
    for properties in of_type("AWS::CloudWatch::Alarm").values()
}
MANNERS = (Manner(0, fills_empty=True), Manner(2, fills_empty=True), Manner(2, fills_empty=False))
NAMES = {story.name: story for story in STORIES}


@pytest.mark.parametrize("name", NAMES)
def test_a_story_opens_its_alarms_and_no_other(name: str) -> None:
    """Each once, in time, and ended in time: whatever AWS does that it documents nowhere."""
    story = NAMES[name]
    line = story.shop().line
    for manner in MANNERS:
        check(story, line, manner)


def check(story: Story, line: TimeLine, manner: Manner) -> None:
    played = {alarm: found for alarm, each in ALARMS.items() if (found := each.play(line, manner))}
    assert played.keys() == story.opens.keys()
    for alarm, opening in story.opens.items():
        states = [change.state for change in played[alarm]]
        assert states == (["ALARM"] if opening.ends is None else ["ALARM", "OK"]), alarm
        opened, *ended = (change.minute for change in played[alarm])
        assert BEFORE <= opened <= BEFORE + opening.within, alarm
        if opening.ends is not None:
            assert (
                ended[0] <= BEFORE + story.minutes + opening.ends + manner.more_periods * ALARMS[alarm].period
            )


def test_every_alarm_has_its_story() -> None:
    """One that no story opens may be one that nothing can open."""
    assert {alarm for story in STORIES for alarm in story.opens} == ALARMS.keys()


def test_every_metric_is_in_the_stories() -> None:
    """An alarm whose metric is measured under another name than the stories' would be silent in all of them."""
    measured = {key for story in STORIES if story.minutes <= 180 for key in story.shop().line.values}
    assert {key for alarm in ALARMS.values() for key in alarm.keys} <= measured


def test_the_table_is_current() -> None:
    """docs/alarms.md says when each alarm opens and ends in each story; scripts/alarm-table renews it."""
    assert PAGE.read_text() == page()


def simple(treat: str, *, n: int = 3, m: int = 3) -> Alarm:
    return Alarm(
        {
            "Namespace": "X",
            "MetricName": "X",
            "Dimensions": [{"Name": "X", "Value": "x"}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": n,
            "DatapointsToAlarm": m,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": treat,
        }
    )


X: MetricKey = ("X", "x")


@pytest.mark.parametrize(
    ("points", "breaching", "not_breaching", "ignore"),
    [
        ("0-X-X", "OK", "OK", "OK"),
        ("0----", "OK", "OK", "OK"),
        ("-----", "ALARM", "OK", "same"),
        ("0XX-X", "ALARM", "ALARM", "ALARM"),
        ("-XX--", "ALARM", "OK", "same"),
        ("----X", "ALARM", "OK", "same"),
    ],
)
def test_missing_data_is_treated_as_documented(
    points: str, breaching: str, not_breaching: str, ignore: str
) -> None:
    """The page's own examples: three of three periods, five fetched; values come first, missing ones fill up."""
    line = TimeLine(5)
    for minute, point in enumerate(points):
        if point != "-":
            line.add(X, minute, point == "X")
    for treat, expected in (("breaching", breaching), ("notBreaching", not_breaching), ("ignore", ignore)):
        changes = simple(treat).play(line, Manner(2, fills_empty=True))
        assert changes == ([Change(5, "ALARM")] if expected == "ALARM" else []), treat


def test_m_of_n_ends_when_too_few_are_left() -> None:
    """Two of three: it opens with the second and ends when one is left."""
    line = TimeLine(12)
    for minute in range(12):
        line.add(X, minute, minute in {4, 6})
    changes = simple("notBreaching", m=2).play(line, Manner(0, fills_empty=True))
    assert changes == [Change(7, "ALARM"), Change(8, "OK")]


def test_expressions_are_those_of_cloudwatch() -> None:
    """A missing value makes a missing result; FILL fills; DIFF has no first; what is unknown is refused."""
    known: dict[str, list[float | None]] = {"a": [12.0, 9.0, None], "b": [20.0, 9.0, 4.0], "c": [None] * 3}
    plain, empty = Manner(0, fills_empty=True), Manner(0, fills_empty=False)
    assert evaluate("IF(a >= 10 AND a > b / 2, 1, 0)", known, plain) == [1.0, 0.0, None]
    assert evaluate("FILL(a, 0) + FILL(c, 1)", known, plain) == [13.0, 10.0, 1.0]
    assert evaluate("FILL(c, 1)", known, empty) == [None] * 3
    assert evaluate("DIFF(b)", known, plain) == [None, -11.0, -5.0]
    with pytest.raises(NotImplementedError):
        evaluate("RATE(a)", known, plain)


def test_a_story_without_its_fault_opens_nothing() -> None:
    """The openings come from the fault and not from the line itself."""
    calm = Story("calm", 600, lambda _shop, _begin, _end: None).shop().line
    assert not any(alarm.play(calm, manner) for alarm in ALARMS.values() for manner in MANNERS)
