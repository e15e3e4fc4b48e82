"""What people read: an announcement as a Slack message, an e-mail and an incident. Pure, and careful with names."""

from __future__ import annotations

from relay.telling.messages.email import Email, email
from relay.telling.messages.pagerduty import pagerduty
from relay.telling.messages.slack import slack, slack_first

__all__ = ["Email", "email", "pagerduty", "slack", "slack_first"]
