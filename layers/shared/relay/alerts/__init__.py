"""Alerts: one message to people per incident, level and outcome, by every configured channel."""
