"""Log lines and metrics as CloudWatch reads them out of a function's output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from relay.adapters.aws.telemetry import PowertoolsTelemetry
from relay.model.metrics import DEFERRED_AGE, METRICS, SHAPE_DRIFT, SILENCE, TOPICS

from tests.support.lambda_env import drop_log

SHOP = "acme.myshopify.com"


@pytest.fixture(autouse=True)
def _service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "hubspot")
    drop_log("hubspot")
    yield
    drop_log("hubspot")


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_metric_has_its_shop_and_service(capsys: pytest.CaptureFixture[str]) -> None:
    """In the namespace, the unit and the dimensions of the alarms."""
    PowertoolsTelemetry("crm_sync", SHOP).measure(DEFERRED_AGE, 7200)
    [line] = written(capsys)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], sorted(directive["Dimensions"][0])) == ("Relay", ["service", "shop"])
    assert directive["Metrics"] == [{"Name": "DeferredAge", "Unit": "Seconds"}]
    assert (line["DeferredAge"], line["shop"], line["service"]) == ([7200.0], SHOP, "hubspot")


def test_all_topics_are_one_service(capsys: pytest.CaptureFixture[str]) -> None:
    """Fifteen functions, one series."""
    PowertoolsTelemetry(TOPICS, SHOP).measure(SHAPE_DRIFT, 2)
    [line] = written(capsys)
    assert (line["ShapeDrift"], line["service"]) == ([2.0], "topics")


def test_a_function_measures_its_own_metrics_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Each further one would be a billed series without a reader."""
    telemetry = PowertoolsTelemetry("clock", SHOP)
    for metric in METRICS:
        telemetry.measure(metric, 1)
    names = [line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] for line in written(capsys)]
    assert names == ["FailureSpike", "CancelSpike", "ManualCredits", SILENCE.name]


def test_an_outcome_is_a_log_line_and_no_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """With its fields; nothing is counted under a reworded name."""
    PowertoolsTelemetry("crm_sync", SHOP).outcome("skipped", event_id=None, topic="t", reason="no_email")
    [line] = written(capsys)
    assert (line["message"], line["reason"], line["topic"]) == ("skipped", "no_email", "t")
    assert "_aws" not in line
