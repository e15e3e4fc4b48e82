"""Alerts: tell people once about each matter, by every channel that the merchant has set up."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit, single_metric
from relay import wiring
from relay.batch import Context
from relay.changes import Telling
from relay.notifier import Notifier
from relay.occasions import Verdict
from relay.ports import Announcement


class Report:
    """One log line for each outcome, and a count of what was told; never who it is about."""

    def told(self, announcement: Announcement, channel: str) -> None:
        """A channel has it."""
        wiring.logger().info(
            "told",
            channel=channel,
            kind=announcement.kind,
            repeat=announcement.repeat,
            **_names(announcement.telling),
        )
        with single_metric(name="AlertsTold", unit=MetricUnit.Count, value=1) as metric:
            metric.add_dimension(name="channel", value=channel)

    def kept_quiet(self, telling: Telling, verdict: Verdict) -> None:
        """Nobody needs to be told."""
        wiring.logger().info("kept quiet", verdict=verdict, **_names(telling))


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Tell what a batch of the alerts queue says; return what is to come again."""
    notifier = Notifier(
        occasions=wiring.occasions(),
        members=wiring.members(),
        channels=wiring.channels(),
        clock=wiring.now,
        report=Report(),
    )
    return wiring.batch().run(event, context, notifier.work)


def _names(telling: Telling) -> dict[str, str]:
    return {"event_id": telling.event_id, "topic": telling.topic, "rule": telling.alert.rule}
