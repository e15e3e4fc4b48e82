"""What people read: an announcement as a Slack message and as an e-mail. Pure, and careful with names."""

from __future__ import annotations

from relay.messages.email import Email, email
from relay.messages.slack import slack

__all__ = ["Email", "email", "slack"]
