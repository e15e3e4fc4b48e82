"""The channels that carry alerts to people: e-mail, Slack and PagerDuty."""
