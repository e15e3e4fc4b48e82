"""The clock on the local AWS, under its own role: its rights suffice for all that it does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.local_stage import Played

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("local-aws")]


def ticked(played: Played, at: str) -> Mapping[str, Any]:
    """Invoke the deployed clock as its schedule does."""
    name = played.stage.stack.outputs["ClockFunction"]
    reply = played.stage.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"time": at}))
    done: Mapping[str, Any] = json.load(reply["Payload"])
    assert "FunctionError" not in reply, done
    return done


def test_ticks_make_the_daily_run(played: Played) -> None:
    """Members, sync states and KPI events are read, the progress is saved, the conditions are measured."""
    for at in ("2025-08-01T08:45:00Z", "2025-08-01T09:00:00Z", "2025-08-02T09:00:00Z"):
        done = ticked(played, at)
        assert (done["notifier"], done["daily_run"]) == ("woken", "done")
        assert done["conditions"].keys() == {"FailureSpike", "CancelSpike", "ManualCredits", "Silence"}


def test_the_fan_out_counts_the_hours_in_which_webhooks_came(played: Played) -> None:
    """Under its own role: the samples are on record in the figures table."""
    table = played.stage.stack.outputs["FiguresTable"]
    items = played.stage.aws.client("dynamodb").scan(TableName=table)["Items"]
    assert sum(int(item["w"]["N"]) for item in items if item["pk"]["S"].startswith("webhooks#")) >= 1


def test_alarms_are_deployed_and_reach_the_notifiers_queue(played: Played) -> None:
    """The local AWS does not evaluate alarms; what one would say is published and arrives."""
    alarms = played.stage.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    topic = played.stage.stack.outputs["AlarmsTopic"]
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} >= {topic}
    subscriptions = played.stage.aws.client("sns").list_subscriptions_by_topic(TopicArn=topic)
    [subscription] = subscriptions["Subscriptions"]
    assert subscription["Endpoint"].endswith("-alerts")
