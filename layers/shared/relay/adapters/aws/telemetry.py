"""Writes log lines and metrics through Powertools: JSON to the log group, with the metrics embedded in it (EMF)."""

from __future__ import annotations

from dataclasses import dataclass, field

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from relay.model.metrics import NAMESPACE, SERVICE, SHOP, TOPICS, Metric, Outcome


@dataclass(frozen=True, slots=True)
class PowertoolsTelemetry:
    """`ports.Telemetry` of one function (its folder, or `TOPICS`). Powertools reads its service from the environment."""

    function: str
    shop: str
    logger: Logger = field(default_factory=Logger)

    def outcome(self, outcome: Outcome, *, event_id: str | None, topic: str | None, **about: object) -> None:
        """Log one line."""
        self.logger.info(outcome, extra={"event_id": event_id, "topic": topic, **about})

    def measure(self, metric: Metric, value: float) -> None:
        """Record a value, if the metric is measured by this function.

        It is written at once, as a line of its own: a metric set of Powertools has one set of dimensions.
        """
        if self.function not in metric.measured_by:
            return
        with single_metric(
            name=metric.name, unit=MetricUnit(metric.unit), value=value, namespace=NAMESPACE
        ) as single:
            single.add_dimension(name=SHOP, value=self.shop)
            if self.function == TOPICS:
                single.add_dimension(name=SERVICE, value=TOPICS)
