"""Log lines and metrics through Powertools: JSON to the log group, figures embedded in it (EMF)."""

from __future__ import annotations

from dataclasses import dataclass, field

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric


@dataclass(frozen=True, slots=True)
class PowertoolsTelemetry:
    """`ports.Telemetry`. Service and namespace come from Powertools' own environment variables."""

    logger: Logger = field(default_factory=Logger)
    metrics: Metrics = field(default_factory=Metrics)

    def outcome(self, outcome: str, *, event_id: str | None, topic: str | None, **about: object) -> None:
        """Log one line and count it under its outcome."""
        self.logger.info(outcome, extra={"event_id": event_id, "topic": topic, **about})
        self.measure(outcome.replace("_", " ").title().replace(" ", ""), 1)

    def measure(self, name: str, value: float, unit: str = "Count", **by: str) -> None:
        """Record a figure under the function's service name, or by the dimensions given and at once."""
        if by:
            # Dimensions belong to a whole set of figures, so each of these is a set of its own.
            with single_metric(name=name, unit=MetricUnit(unit), value=value) as metric:
                for dimension, of in by.items():
                    metric.add_dimension(name=dimension, value=of)
            return
        self.metrics.add_metric(name=name, unit=MetricUnit(unit), value=value)

    def flush(self) -> None:
        """Write the figures of this invocation, if there are any."""
        if self.metrics.metric_set:
            self.metrics.flush_metrics()
