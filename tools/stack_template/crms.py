"""The table of CRMs: what template.yaml says of each. A CRM that is added here has all its blocks.

The names are those of `relay.wiring.crms`; a setting `Url` of HubSpot is the parameter `HubSpotUrl` and the variable
`HUBSPOT_URL`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_HTTPS: Final = r"https://[^\s/?#@]+([/?]\S*)?"
_LOOPBACK: Final = r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?(/\S*)?"
URL_PATTERN: Final = f"({_HTTPS}|{_LOOPBACK})"
"""A URL with a token in its header must not travel in the clear; the loopback is where the local AWS has its fakes."""

_URL_WORDS: Final = "ConstraintDescription: an address that begins with https://"

MAX_URL: Final = 1024
MAX_SECRET: Final = 256
"""Characters. Together with the other variables they fit into the 4,096 bytes of a function's environment."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter of the stack that belongs to one CRM, and the variable of its function."""

    name: str
    definition: str
    """The parameter's properties after its type, as lines of YAML."""
    needed_as: str = ""
    """What the parameter holds, where the target cannot do without it; empty where it has a default that works."""

    @property
    def variable(self) -> str:
        """The variable's name after the CRM's: `SET_EXTERNAL_ID`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).upper()


@dataclass(frozen=True, slots=True)
class Crm:
    """A CRM that members are mirrored to."""

    name: str
    """How the logical ids and the parameters begin: `HubSpot`."""
    does: str
    """The function's description."""
    why: str
    """Why its batches and times are as they are: a comment of the template, without the marks."""
    batch_size: int
    settings: tuple[Setting, ...]

    @property
    def target(self) -> str:
        """Its name in the parameter Targets, and the end of its queue's and its function's name."""
        return self.name.lower()


def _url(definition: str, needed_as: str = "") -> Setting:
    pattern = f"^{URL_PATTERN}?$" if needed_as else f"^{URL_PATTERN}$"
    return Setting(
        "Url", f"{definition}\nAllowedPattern: {pattern}\n{_URL_WORDS}\nMaxLength: {MAX_URL}", needed_as
    )


def _secret(name: str, description: str, needed_as: str) -> Setting:
    """Return the parameter with the name of an SSM SecureString."""
    return Setting(
        "Secret",
        f'Default: ""\nDescription: >-\n  Name of the SSM SecureString with {description}\n'
        f"  such as /relay/relay-acme/{name}; needed for the target {name}.\n"
        f"AllowedPattern: ^(/[A-Za-z0-9_.-]+)*$\n"
        f"ConstraintDescription: the name of an SSM parameter, such as /relay/relay-acme/{name}, and never the secret itself\n"
        f"MaxLength: {MAX_SECRET}",
        f"the name of the SSM SecureString with {needed_as}",
    )


CRMS: Final = (
    Crm(
        name="HubSpot",
        does="Keeps HubSpot equal to the members table",
        why="""\
60 s: HubSpot takes 100 members in one call and may be slow. Lambda waits five seconds for a batch to fill, up
to a thousand changes, so that a burst becomes few calls. Two environments, so that one slow call does not hold
up all changes; they share HubSpot's rate limit (relay/crm/rate_limit.py).""",
        batch_size=1000,
        settings=(
            _url("Default: https://api.hubapi.com\nDescription: Where HubSpot's API is."),
            _secret("hubspot", "HubSpot's token,", "its token"),
            Setting(
                "Version",
                """\
Default: "2026-09"
Description: The version of HubSpot's API; v3 ends in September 2027.
AllowedValues: [v3, "2026-03", "2026-09"]""",
            ),
            Setting(
                "Events",
                """\
Default: "false"
Description: Whether the moments of a membership become HubSpot's custom events, which need an Enterprise hub.
AllowedValues: ["true", "false"]""",
            ),
        ),
    ),
    Crm(
        name="Klaviyo",
        does="Keeps Klaviyo equal to the members table",
        why="""\
60 s: 25 members are one search and 25 calls, and may be slow. Klaviyo takes one member in a call, about nine
calls a second over the minute; the environments share this rate limit (relay/crm/rate_limit.py).""",
        batch_size=100,
        settings=(
            _url("Default: https://a.klaviyo.com\nDescription: Where Klaviyo's API is."),
            _secret("klaviyo", "Klaviyo's private key,", "its private key"),
            Setting(
                "Revision",
                """\
Default: "2026-07-15"
Description: The revision of Klaviyo's API, a released date; each is answered for about two years.
AllowedPattern: ^20\\d\\d-[01]\\d-[0-3]\\d$""",
            ),
            Setting(
                "SetExternalId",
                """\
Default: "false"
Description: >-
  Whether Relay writes its member key to Klaviyo as external_id. Where another integration, such as Shopify's,
  has set that already, Relay leaves it alone.
AllowedValues: ["true", "false"]""",
            ),
            Setting(
                "CompatNames",
                """\
Default: "false"
Description: >-
  Whether Relay also writes the properties of Inveterate's own integration with Klaviyo. Only where that
  integration is switched off: otherwise the two would overwrite each other.
AllowedValues: ["true", "false"]""",
            ),
        ),
    ),
    Crm(
        name="Salesforce",
        does="Keeps Salesforce equal to the members table",
        why="As HubSpot's, with 200 members in one call. Two environments: more would lock each other's rows.",
        batch_size=1000,
        settings=(
            _url(
                'Default: ""\nDescription: The org\'s My Domain, such as https://acme.my.salesforce.com; '
                "needed for the target salesforce.",
                "the org's My Domain",
            ),
            _secret(
                "salesforce",
                'the external client app\'s credentials, {"client_id": "…", "client_secret": "…"},',
                "its credentials",
            ),
            Setting(
                "Object",
                """\
Default: Contact
Description: What members are at Salesforce. Contact, Account (person accounts), or an object of your own, such as Member__c.
AllowedPattern: ^(Contact|Account|[A-Za-z][A-Za-z0-9_]*__c)$
MaxLength: 80""",
            ),
            Setting(
                "Version",
                """\
Default: "65.0"
Description: The version of Salesforce's API.
AllowedPattern: ^[1-9][0-9]{1,2}\\.0$""",
            ),
            Setting(
                "AllowDuplicates",
                """\
Default: "false"
AllowedValues: ["true", "false"]
Description: Whether a duplicate rule of Salesforce that only warns lets a member's contact through.""",
            ),
        ),
    ),
    Crm(
        name="Webhook",
        does="Posts each changed member to a webhook, signed",
        why="As HubSpot's, but one member in one call, so no more changes at once than an invocation has time for.",
        batch_size=100,
        settings=(
            _url(
                'Default: ""\nDescription: Where signed messages about members are posted to; needed for the target webhook.',
                "where its messages are posted to",
            ),
            _secret(
                "webhook",
                "the secret that signs them, whsec_ and base64 (two, by a space, while it is rotated),",
                "its secret",
            ),
        ),
    ),
)
"""Every CRM, in the order of the template."""
