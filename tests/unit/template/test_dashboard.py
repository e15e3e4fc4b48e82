"""The dashboard and the saved queries: they name metrics, queues, functions and log lines that there are."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest
from relay.model import metrics

from tests.support.template_data import FUNCTIONS, QUEUES, of_type, text

[DASHBOARD] = of_type("AWS::CloudWatch::Dashboard").values()
BODY: str = DASHBOARD["DashboardBody"]["Fn::Sub"]
WIDGETS: list[dict[str, Any]] = json.loads(BODY)["widgets"]
QUERIES = {
    properties["Name"]["Fn::Sub"].partition("/")[2]: properties
    for properties in of_type("AWS::Logs::QueryDefinition").values()
}
TEXTS = [
    *(w["properties"]["query"] for w in WIDGETS if w["type"] == "log"),
    *(q["QueryString"] for q in QUERIES.values()),
]
RECEIVERS = {"accepted"}
"""Log lines of the receiver, which has no telemetry."""


def shown() -> list[list[str]]:
    """Return the metrics of all graphs."""
    graphs = [widget["properties"]["metrics"] for widget in WIDGETS if widget["type"] == "metric"]
    return [[part for part in metric if isinstance(part, str)] for graph in graphs for metric in graph]


def physical(properties: dict[str, Any], name: str) -> str:
    return str(properties[name]["Fn::Sub"])


def test_it_shows_every_queue_and_function() -> None:
    """By their physical names, also where the stack may lack one: a line without data is no error."""
    queues = {metric[3] for metric in shown() if metric[0] == "AWS/SQS"}
    assert queues == {physical(queue, "QueueName") for queue in QUEUES.values()}
    failing = {metric[3] for metric in shown() if metric[:2] == ["AWS/Lambda", "Errors"]}
    assert failing == {physical(function, "FunctionName") for function in FUNCTIONS.values()}


def test_it_shows_every_metric_that_no_alarm_watches() -> None:
    """Otherwise it would be paid for and looked at by no person: of our own ones, by the dimensions they have."""
    ours = {(metric[1], tuple(metric[2::2])) for metric in shown() if metric[0] == metrics.NAMESPACE}
    known = {
        (metric.name, (metrics.STACK, metrics.SERVICE) if metric.by_service else (metrics.STACK,))
        for metric in metrics.METRICS
    }
    assert ours <= known
    assert {name for name, _ in ours} >= {
        "Received",
        "Refused",
        "ShapeDrift",
        "WaitingAge",
        "CrmLag",
        "AlertsSent",
    }


@pytest.mark.parametrize("query", TEXTS)
def test_a_query_reads_lines_that_there_are(query: str) -> None:
    """The words of a line are those of the fixed list; a renamed one would leave an empty table."""
    lists = re.findall(r"message in \[([^\]]*)\]", query)
    words = {word for found in lists for word in re.findall(r'"(\w+)"', found)}
    words |= set(re.findall(r'message = "(\w+)"', query))
    assert words <= {*get_args(metrics.Outcome), *RECEIVERS}
    assert "|" in query


def test_the_saved_queries_answer_the_operators_questions() -> None:
    """They stand in a folder of the stack's name, over the one log group of its functions."""
    assert QUERIES.keys() == {
        "one member's way, by event ids",
        "slowest events",
        "deferrals, by reason",
        "errors",
        "unclaimed, by reason",
    }
    for properties in QUERIES.values():
        assert properties["Name"]["Fn::Sub"].startswith("${AWS::StackName}/")
        assert [text(group) for group in properties["LogGroupNames"]] == ["Logs"]


def test_the_dashboards_variables_are_the_stacks() -> None:
    """`${…}` in its body is CloudFormation's; any other would be refused at the deployment."""
    assert set(re.findall(r"\$\{([^}]*)\}", BODY)) == {"AWS::StackName", "AWS::Region", "Api", "Logs"}
