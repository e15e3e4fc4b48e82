"""What the notifier of the functional tests is asked to tell, and how that reads in Slack and in the mail."""

from __future__ import annotations

from typing import Any

from relay.model.effects import Level

from tests.functional.alerts.conftest import Aws
from tests.support.incident_builders import alert_message

OPEN = alert_message("e1", minute=10)


RISE = alert_message("e3", minute=15, level=Level.ERROR)


CLOSE = alert_message("e2", minute=20, action="close", title="Payment recovered")


DONE: dict[str, Any] = {"batchItemFailures": []}


def subjects(aws: Aws) -> list[str]:
    return [mail["Subject"] for mail in aws.emails()]


SLACK_TOLD = [
    "⚠️ Warning: Payment failed - Mia K. (m•••@example.com)",
    "🔴 Now error: Payment failed - Mia K. (m•••@example.com)",
    "✅ Over: Payment recovered - Mia K. (m•••@example.com)",
]


EMAILED = [
    "Relay Warning: Payment failed [7001]",
    "Relay Now error: Payment failed [7001]",
    "Relay Over: Payment recovered [7001]",
]
