"""Alarms: what each watches, which topics it notifies, and that the functions measure what they watch."""

from __future__ import annotations

import re
from typing import Any

import pytest
from relay.model import metrics
from relay.topics import FOLDERS

from tests.support.cloudwatch import Alarm
from tests.support.port_fakes import NOW, ROOT, FakeContext
from tests.support.scheduler_fakes import SchedulerSetup
from tests.support.template_data import (
    FUNCTIONS,
    QUEUES,
    RESOURCES,
    TEMPLATE,
    environment,
    of_type,
    text,
    timeout,
)

ALARMS = of_type("AWS::CloudWatch::Alarm")
NAMED = {properties["AlarmName"]["Fn::Sub"]: properties for properties in ALARMS.values()}
WORDED = re.compile(r"(warning|error|critical) ([a-z0-9][a-z0-9:-]*): [A-Z][^.]*\. \S.*\.")
STRAIGHT = {
    "api-5xx",
    "refused",
    "receiver-errors",
    "receiver-throttled",
    "receiver-slow",
    "clock",
    "dead-letters",
    "dead-letters-growing",
    "misconfigured",
    "late",
    "fanout-late",
}
"""Where the notifier itself may be broken or hear nothing: these alarms go to the e-mail topic as well."""


def named(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = NAMED[f"${{AWS::StackName}}-{name}"]
    return properties


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
    straight = name.removeprefix("${AWS::StackName}-") in STRAIGHT
    expected = ["Alarms", "Email"] if straight else ["Alarms"]
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
    """It alarms at once, and stays as it is while the clock is silent."""
    setup = SchedulerSetup()
    setup.scheduler().tick(NOW, FakeContext())
    measured = {name for name, _ in setup.telemetry.measured}
    watched = {name for name, properties in OURS if properties["TreatMissingData"] == "ignore"}
    assert watched == measured


OURS = [
    (name, properties)
    for properties in ALARMS.values()
    for name, dimension in Alarm(properties).keys
    if dimension == "AWS::StackName"
]
"""Each alarm with each metric of ours that it watches."""

SERIES_AT_MOST = 20
"""A series costs $0.30 a month."""

ALARM_METRICS_AT_MOST = 18
"""Of a small shop. Each costs $0.10 a month beyond ten; an expression is billed by its metrics."""

WITHOUT_ALARM = {"Received", "Refused", "ShapeDrift", "CrmLag", "CrmNotTaken", "AlertsSent"}
"""Metrics without an alarm: an operator looks at them on the dashboard."""


def series() -> set[tuple[str, str]]:
    """Return the metrics of a stack with every target and function, each with its service where it has one."""
    targets = {
        environment(function)["POWERTOOLS_SERVICE_NAME"]
        for function, properties in FUNCTIONS.items()
        if properties["CodeUri"] == "functions/crm_sync"
    }
    return {
        (metric.name, service)
        for metric in metrics.METRICS
        for service in (targets if metric.by_service else {""})
    }


def test_a_busy_shop_has_few_series() -> None:
    """All targets, all functions: a metric has one series a stack, the lag of a CRM one for each target."""
    assert len({metric.name for metric in metrics.METRICS}) == len(metrics.METRICS)
    assert all(metric.measured_by == ("crm_sync",) for metric in metrics.METRICS if metric.by_service)
    assert len(series()) <= SERIES_AT_MOST


def test_a_small_shop_has_few_alarm_metrics() -> None:
    """One with a CRM and the API's key: only what needs a busy shop's parameter is left out."""
    alarms = [resource for resource in RESOURCES.values() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    assert {alarm.get("Condition") for alarm in alarms} == {None, "ReservesReceiver"}
    small = [alarm["Properties"] for alarm in alarms if "Condition" not in alarm]
    assert sum(len(Alarm(properties).keys) for properties in small) <= ALARM_METRICS_AT_MOST


def test_alarms_use_the_names_that_the_functions_measure() -> None:
    """A metric that is renamed on one side only would leave its alarm silent for good."""
    assert {name for name, _ in OURS} == {metric.name for metric in metrics.METRICS} - WITHOUT_ALARM
    for properties in ALARMS.values():
        for stat in metric_stats(properties):
            if stat["Namespace"] == metrics.NAMESPACE:
                assert stat["Dimensions"] == [{"Name": metrics.STACK, "Value": {"Ref": "AWS::StackName"}}]
    assert TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["STACK_NAME"] == {
        "Ref": "AWS::StackName"
    }


def metric_stats(properties: dict[str, Any]) -> list[dict[str, Any]]:
    queries = [
        query["MetricStat"]["Metric"] for query in properties.get("Metrics", ()) if "MetricStat" in query
    ]
    return queries or [properties]


def test_every_function_that_reads_a_queue_measures_what_waits() -> None:
    """Also the topics', the notifier's and that of the grants: a deferral elsewhere would raise no alarm."""
    reading = {
        properties["CodeUri"].removeprefix("functions/")
        for properties in FUNCTIONS.values()
        if any(event["Type"] == "SQS" for event in properties.get("Events", {}).values())
    }
    by_name = {metrics.TOPICS if folder in FOLDERS.values() else folder for folder in reading}
    for metric in (metrics.WAITING_AGE, metrics.MISCONFIGURED):
        assert set(metric.measured_by) == by_name


@pytest.mark.parametrize("name", ["dead-letters", "unclaimed"])
def test_a_reading_hides_messages_for_less_than_a_period(name: str) -> None:
    """So that each period sees them, and the alarm does not end and begin with every reading."""
    [(_, queue)] = Alarm(named(name)).keys
    hidden = QUEUES[queue.partition(".")[0]]["VisibilityTimeout"]
    assert hidden + 60 < named(name)["Period"]
    assert named(name)["Statistic"] == "Maximum"


def test_the_receiver_is_slow_before_it_times_out() -> None:
    """The threshold is in milliseconds, and follows the function's timeout."""
    assert named("receiver-slow")["Threshold"] == 0.8 * 1000 * timeout("ReceiverFunction")


def test_a_roll_back_can_go_by_two_alarms() -> None:
    """CloudFormation's roll-back takes alarms by name: a plain metric each, missing data is no reason."""
    for name, metric in (("receiver-errors", "Errors"), ("api-5xx", "5xx")):
        alarm = named(name)
        assert (alarm["MetricName"], alarm["Statistic"], alarm["TreatMissingData"]) == (
            metric,
            "Sum",
            "notBreaching",
        )


def test_every_alarm_is_explained_to_the_operator() -> None:
    """By its name, in docs/operations.md."""
    page = (ROOT / "docs" / "operations.md").read_text()
    missing = [name for name in NAMED if f"`{name.removeprefix('${AWS::StackName}')[1:]}`" not in page]
    assert missing == []
