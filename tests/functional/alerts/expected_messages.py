"""The texts of the sample incident in Slack, and the subjects of its e-mails."""

from __future__ import annotations

from typing import Any

from tests.functional.alerts.conftest import Aws

DONE: dict[str, Any] = {"batchItemFailures": []}


def subjects(aws: Aws) -> list[str]:
    return [mail["Subject"] for mail in aws.emails()]


SLACK_TEXTS = [
    "⚠️ Warning: Payment failed - Mia K. (m•••@example.com)",
    "🔴 Escalated: Payment failed - Mia K. (m•••@example.com)",
    "✅ Payment recovered - Mia K. (m•••@example.com)",
]


EMAIL_SUBJECTS = [
    "Relay Warning: Payment failed [7001]",
    "Relay Escalated: Payment failed [7001]",
    "Relay Payment recovered [7001]",
]
