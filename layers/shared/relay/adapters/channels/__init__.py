"""The channels that send notifications to people: e-mail, Slack and PagerDuty."""
