"""What people read: a notification as a Slack message, an e-mail and a PagerDuty event. Pure; names are masked."""

from __future__ import annotations

from relay.alerts.render.email import Email, email_message
from relay.alerts.render.pagerduty import pagerduty_event
from relay.alerts.render.slack import slack_first_message, slack_message

__all__ = ["Email", "email_message", "pagerduty_event", "slack_first_message", "slack_message"]
