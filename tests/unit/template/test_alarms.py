"""Alarms: what each watches, which topics it notifies, and that the functions measure what they watch."""

from __future__ import annotations

import re
from typing import Any

import pytest
from relay.model import metrics

from tests.support.port_fakes import NOW, ROOT, FakeContext
from tests.support.scheduler_fakes import SchedulerSetup
from tests.support.template_data import FUNCTIONS, RESOURCES, environment, of_type, text

ALARMS = of_type("AWS::CloudWatch::Alarm")
NAMED = {properties["AlarmName"]["Fn::Sub"]: properties for properties in ALARMS.values()}
WORDED = re.compile(r"(warning|error|critical) ([a-z0-9][a-z0-9:-]*): [A-Z][^.]*\. \S.*\.")
TARGETS = [name for name, properties in FUNCTIONS.items() if properties["CodeUri"] == "functions/crm_sync"]
WATCHED_BESIDES = {"DeadLetters.QueueName", "Alerts.QueueName", "ClockFunction", "notifier"}
"""Where the notifier itself may be broken: these alarms go to the e-mail topic as well."""


def named(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = NAMED[f"${{AWS::StackName}}-{name}"]
    return properties


def watches(properties: dict[str, Any]) -> dict[str, str]:
    return {dimension["Name"]: text(dimension["Value"]) for dimension in properties["Dimensions"]}


@pytest.mark.parametrize("name", NAMED)
def test_an_alarm_says_how_bad_it_is_what_it_means_and_what_to_do(name: str) -> None:
    """In this order; its second word names the incident, so no two alarms share one."""
    worded = WORDED.fullmatch(NAMED[name]["AlarmDescription"])
    assert worded
    beginnings = [
        properties["AlarmDescription"].split(":  ")[0].split(": ")[0] for properties in ALARMS.values()
    ]
    assert beginnings.count(f"{worded[1]} {worded[2]}") == 1
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


SERIES_AT_MOST = 22
"""A series costs $0.30 a month."""

WITHOUT_ALARM = {"Received", "Refused", "ShapeDrift", "AlertsSent", "CrmNotTaken"}
"""Metrics without an alarm: an operator looks at them."""


def series() -> set[tuple[str, str]]:
    """Return the metrics of a stack with every target and function, each with its service."""
    services: dict[str, set[str]] = {metrics.TOPICS: {metrics.TOPICS}}
    for function, properties in FUNCTIONS.items():
        folder = properties["CodeUri"].removeprefix("functions/")
        services.setdefault(folder, set()).add(environment(function)["POWERTOOLS_SERVICE_NAME"])
    return {
        (metric.name, service)
        for metric in metrics.METRICS
        for function in metric.measured_by
        for service in services[function]
    }


def test_a_busy_shop_has_few_metrics() -> None:
    """All targets, all functions: each metric by shop and service, and by nothing else."""
    assert len({metric.name for metric in metrics.METRICS}) == len(metrics.METRICS)
    assert len(series()) <= SERIES_AT_MOST


def test_alarms_use_the_names_that_the_functions_measure() -> None:
    """A metric that is renamed on one side only would leave its alarm silent for good."""
    ours = [alarm for alarm in ALARMS.values() if alarm["Namespace"] == metrics.NAMESPACE]
    assert {watches(alarm)[metrics.SHOP] for alarm in ours} == {"ShopDomain"}
    watched = {(alarm["MetricName"], watches(alarm)[metrics.SERVICE]) for alarm in ours}
    assert watched == {(name, service) for name, service in series() if name not in WITHOUT_ALARM}


@pytest.mark.parametrize("function", TARGETS)
def test_every_target_has_its_alarms(function: str) -> None:
    """Refused credentials; changes that wait for an hour, and for twelve; changes that are not received."""
    target = environment(function)["TARGET"]
    own = {"shop": "ShopDomain", "service": environment(function)["POWERTOOLS_SERVICE_NAME"]}
    expected = {
        f"{target}-unauthorised": (metrics.MISCONFIGURED.name, 0, "critical"),
        f"{target}-late": (metrics.DEFERRED_AGE.name, 3_600, "warning"),
        f"{target}-very-late": (metrics.DEFERRED_AGE.name, 43_200, "critical"),
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
    page = (ROOT / "docs" / "operations.md").read_text()
    missing = [name for name in NAMED if f"`{name.removeprefix('${AWS::StackName}')[1:]}`" not in page]
    assert missing == []
