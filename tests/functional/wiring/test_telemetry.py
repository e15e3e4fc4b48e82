"""Log lines and metrics as CloudWatch reads them out of a function's output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from relay.adapters.aws.telemetry import PowertoolsTelemetry
from relay.model.metrics import CRM_LAG, METRICS, SHAPE_DRIFT, SILENCE, TOPICS, WAITING_AGE

from tests.support.lambda_env import drop_log

STACK = "relay-acme"


@pytest.fixture(autouse=True)
def _service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "hubspot")
    drop_log("hubspot")
    yield
    drop_log("hubspot")


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("function", ["crm_sync", "notifier", TOPICS])
def test_all_functions_measure_one_series(function: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the namespace, the unit and the one dimension of the alarms: the stack, whose name tells it from another."""
    PowertoolsTelemetry(function, STACK).measure(WAITING_AGE, 7200)
    [line] = written(capsys)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Relay", [["stack"]])
    assert directive["Metrics"] == [{"Name": "WaitingAge", "Unit": "Seconds"}]
    assert (line["WaitingAge"], line["stack"], line["service"]) == (7200, STACK, "hubspot")


def test_a_crm_has_a_lag_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """One series for each target."""
    PowertoolsTelemetry("crm_sync", STACK).measure(CRM_LAG, 5)
    [line] = written(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stack", "service"]]
    assert (line["CrmLag"], line["service"]) == (5, "hubspot")


def test_a_function_measures_its_own_metrics_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Each further one would be a billed series without a reader."""
    for function, expected in (
        ("clock", ["FailureSpike", "CancelSpike", "ManualCredits", SILENCE.name]),
        (TOPICS, [SHAPE_DRIFT.name, "WaitingAge", "Misconfigured"]),
    ):
        for metric in METRICS:
            PowertoolsTelemetry(function, STACK).measure(metric, 1)
        names = [line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] for line in written(capsys)]
        assert names == expected


def test_an_outcome_is_a_log_line_and_no_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """With its fields; nothing is counted under a reworded name."""
    PowertoolsTelemetry("crm_sync", STACK).outcome("skipped", event_id=None, topic="t", reason="no_email")
    [line] = written(capsys)
    assert (line["message"], line["reason"], line["topic"]) == ("skipped", "no_email", "t")
    assert "_aws" not in line
