"""Alarms: what each watches, whom it reaches, and that the clock and the functions measure what they say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from relay.model.metrics import DEFERRED_AGE, MISCONFIGURED

from tests.support.port_fakes import NOW, ROOT, FakeContext
from tests.support.scheduler_fakes import SchedulerSetup
from tests.support.template_data import FUNCTIONS, RESOURCES, environment, of_type, text

ALARMS = of_type("AWS::CloudWatch::Alarm")
NAMED = {properties["AlarmName"]["Fn::Sub"]: properties for properties in ALARMS.values()}
WORDED = re.compile(r"(warning|error|critical) ([a-z0-9][a-z0-9:-]*): [A-Z][^.]*\. \S.*\.")
TARGETS = [name for name, properties in FUNCTIONS.items() if properties["CodeUri"] == "functions/crm_sync"]
WATCHED_BESIDES = {"DeadLetters.QueueName", "Alerts.QueueName", "ClockFunction", "notifier"}
"""What is broken where the notifier may be what is broken: of these people hear by e-mail as well."""


def named(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = NAMED[f"${{AWS::StackName}}-{name}"]
    return properties


def watches(properties: dict[str, Any]) -> dict[str, str]:
    return {dimension["Name"]: text(dimension["Value"]) for dimension in properties["Dimensions"]}


@pytest.mark.parametrize("name", NAMED)
def test_an_alarm_says_how_bad_it_is_what_it_means_and_what_to_do(name: str) -> None:
    """In this order; the matter in it names the incident, so no two alarms share one."""
    worded = WORDED.fullmatch(NAMED[name]["AlarmDescription"])
    assert worded
    matters = [
        properties["AlarmDescription"].split(":  ")[0].split(": ")[0] for properties in ALARMS.values()
    ]
    assert matters.count(f"{worded[1]} {worded[2]}") == 1
    assert len(NAMED[name]["AlarmDescription"]) <= 1024


@pytest.mark.parametrize("name", NAMED)
def test_an_alarm_reaches_people_when_it_begins_and_when_it_is_over(name: str) -> None:
    """By the notifier; straight by e-mail too where the notifier may be what is broken."""
    properties = NAMED[name]
    besides = WATCHED_BESIDES & set(watches(properties).values())
    expected = ["Alarms", "Email"] if besides else ["Alarms"]
    assert [text(action) for action in properties["AlarmActions"]] == expected
    assert properties["OKActions"] == properties["AlarmActions"]
    assert properties["ComparisonOperator"] == "GreaterThanThreshold"


def test_the_notifier_hears_of_alarms() -> None:
    """The topic hands them to its queue as they are, and loses none."""
    subscription = RESOURCES["AlarmsSubscription"]["Properties"]
    assert (text(subscription["TopicArn"]), text(subscription["Endpoint"])) == ("Alarms", "Alerts.Arn")
    assert subscription["RawMessageDelivery"] is True
    assert text(subscription["RedrivePolicy"]["deadLetterTargetArn"]) == "DeadLetters.Arn"
    [statement] = RESOURCES["AlertsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert (statement["Action"], text(statement["Resource"])) == ("sqs:SendMessage", "Alerts.Arn")
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "Alarms"}}}


def test_dead_letters_come_from_alarms_too() -> None:
    """What SNS cannot hand to the notifier's queue may go to the dead letters: their policy says so."""
    [statement] = RESOURCES["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sources == [{"Ref": "Changes"}, {"Ref": "Alarms"}]


def test_every_condition_that_the_clock_measures_has_its_alarm() -> None:
    """By shop and service; it alarms at once, and is over after half an hour, a wave after six quiet hours."""
    setup = SchedulerSetup()
    setup.scheduler().tick(NOW, FakeContext())
    measured = {name for name, _ in setup.telemetry.measured}
    watched = {
        properties["MetricName"]: properties
        for properties in ALARMS.values()
        if watches(properties) == {"shop": "ShopDomain", "service": "clock"}
    }
    assert watched.keys() == measured
    for metric, properties in watched.items():
        assert (properties["Namespace"], properties["Statistic"]) == ("Relay", "Maximum")
        assert (properties["Period"], properties["Threshold"], properties["DatapointsToAlarm"]) == (900, 0, 1)
        assert properties["EvaluationPeriods"] == (24 if metric == "CancelSpike" else 2)
        assert properties["TreatMissingData"] == "ignore"


@pytest.mark.parametrize("function", TARGETS)
def test_every_target_has_its_alarms(function: str) -> None:
    """Refused credentials; changes that wait for an hour, and for twelve; changes that nobody takes."""
    target = environment(function)["TARGET"]
    own = {"shop": "ShopDomain", "service": environment(function)["POWERTOOLS_SERVICE_NAME"]}
    expected = {
        f"{target}-unauthorised": (MISCONFIGURED.name, 0, "critical"),
        f"{target}-late": (DEFERRED_AGE.name, 3_600, "warning"),
        f"{target}-very-late": (DEFERRED_AGE.name, 43_200, "critical"),
    }
    for name, (metric, threshold, level) in expected.items():
        alarm = named(name)
        assert (alarm["MetricName"], alarm["Threshold"], watches(alarm)) == (metric, threshold, own)
        assert alarm["AlarmDescription"].startswith(f"{level} {target}:")
    stuck = named(f"{target}-stuck")
    assert (stuck["MetricName"], stuck["Threshold"]) == ("ApproximateAgeOfOldestMessage", 3_600)
    conditions = {
        resource.get("Condition")
        for resource in RESOURCES.values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        and resource["Properties"]["AlarmName"]["Fn::Sub"].startswith(f"${{AWS::StackName}}-{target}-")
    }
    assert conditions == {RESOURCES[function]["Condition"]}


@pytest.mark.parametrize(
    ("name", "threshold", "level"),
    [("dead-letters", 0, "error"), ("many-dead-letters", 20, "critical"), ("unclaimed", 0, "warning")],
)
def test_what_waits_for_a_person_is_alarmed(name: str, threshold: int, level: str) -> None:
    """Dead letters, and worse if they are many; what could not be placed."""
    alarm = named(name)
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert (alarm["Threshold"], alarm["TreatMissingData"]) == (threshold, "notBreaching")
    assert alarm["AlarmDescription"].startswith(f"{level} ")
    assert (
        watches(alarm)["QueueName"] == ("Unclaimed" if name == "unclaimed" else "DeadLetters") + ".QueueName"
    )


def test_every_alarm_is_explained_to_the_operator() -> None:
    """By its name, in docs/operations.md."""
    told = (ROOT / "docs" / "operations.md").read_text()
    missing = [name for name in NAMED if f"`{name.removeprefix('${AWS::StackName}')[1:]}`" not in told]
    assert missing == []
