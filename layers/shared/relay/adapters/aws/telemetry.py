"""Writes log lines through Powertools, and metrics as JSON lines that CloudWatch reads out of the log (EMF)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

from relay.model.metrics import Metric, Outcome, embedded


@dataclass(frozen=True, slots=True)
class PowertoolsTelemetry:
    """`ports.Telemetry` of one function (its folder, or `TOPICS`). Powertools reads its service from the environment."""

    function: str
    stack: str
    logger: Logger = field(default_factory=Logger)

    def outcome(self, outcome: Outcome, *, event_id: str | None, topic: str | None, **about: object) -> None:
        """Log one line."""
        self.logger.info(outcome, extra={"event_id": event_id, "topic": topic, **about})

    def measure(self, metric: Metric, value: float) -> None:
        """Record a value, if the metric is measured by this function.

        Powertools' own metrics add the service as a dimension to each metric, which would be a series for every function.
        """
        if self.function not in metric.measured_by:
            return
        at_ms = int(time.time() * 1000)
        line = embedded(metric, value, stack=self.stack, service=self.logger.service, at_ms=at_ms)
        print(json.dumps(line))  # noqa: T201 - standard output is the log
