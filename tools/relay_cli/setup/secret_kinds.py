"""The secrets of a shop: the stack's parameter that names each, where it is stored, and the variable that gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SecretKind:
    """One secret. `name` ends its place in SSM and is what `--secret-from` calls it; `title` begins with it."""

    parameter: str
    name: str
    variable: str
    title: str

    def place(self, stack: str) -> str:
        """Return the name of the SSM parameter of a stack."""
        return f"/relay/{stack}/{self.name}"


INVETERATE: Final = SecretKind("InveterateSecret", "inveterate", "INVETERATE_API_KEY", "Inveterate API key")
SLACK: Final = SecretKind(
    "SlackSecret", "slack", "SLACK_TOKEN", "Slack bot token (xoxb-…) or incoming webhook's URL"
)
SLACK_SIGNING: Final = SecretKind(
    "SlackSigningSecret",
    "slack-signing",
    "SLACK_SIGNING_SECRET",
    "Slack app's signing secret, for buttons",
)
PAGERDUTY: Final = SecretKind(
    "PagerDutySecret", "pagerduty", "PAGERDUTY_ROUTING_KEY", "PagerDuty routing key"
)
CRM_SECRETS: Final = {
    "hubspot": SecretKind("HubSpotSecret", "hubspot", "HUBSPOT_TOKEN", "HubSpot token"),
    "klaviyo": SecretKind("KlaviyoSecret", "klaviyo", "KLAVIYO_PRIVATE_KEY", "Klaviyo private key"),
    "salesforce": SecretKind(
        "SalesforceSecret",
        "salesforce",
        "SALESFORCE_CREDENTIALS",
        'Salesforce credentials, {"client_id": "…", "client_secret": "…"}',
    ),
    "webhook": SecretKind(
        "WebhookSecret", "webhook", "WEBHOOK_SIGNING_SECRET", "Webhook signing secret (whsec_…)"
    ),
}
"""By target."""

KINDS: Final = (INVETERATE, *CRM_SECRETS.values(), SLACK, SLACK_SIGNING, PAGERDUTY)
