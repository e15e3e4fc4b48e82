"""What people read: an announcement as a Slack message, an e-mail and an incident. Pure, and careful with names."""

from __future__ import annotations

from relay.alerts.render.email import Email, email
from relay.alerts.render.pagerduty import pagerduty
from relay.alerts.render.slack import slack, slack_first

__all__ = ["Email", "email", "pagerduty", "slack", "slack_first"]
