"""Tests an answer of `relay init` against the service that it is for. Each raises an error that does not repeat it."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from inveterate import Client
from inveterate.models.shop import Merchant
from relay.errors import MisconfiguredError
from stack_template.crms import CRMS

from relay_cli.errors import UsageError

_ROUTING_KEY: Final = 32
_DEFINITIONS: Final = "its token needs the scopes of docs/{target}.md"


@dataclass(slots=True)
class _Given:
    """AWS as a `Secret` needs it: it answers with the secret that was just typed, before it is stored."""

    value: str
    ends_at: float | None = None

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        """Return the secret, as SSM would."""
        del service, operation, body, repeatable
        return {"Parameter": {"Value": self.value}}


def merchant_of(api_key: str, url: str) -> Merchant:
    """Return the merchant of an API key: the cheapest call that needs one."""
    with Client(api_key, base_url=url) as client:
        return client.merchant.get()


def check_crm(target: str, secret: str, parameters: Mapping[str, str]) -> None:
    """Call the CRM, and read the definitions that a deployment will complete: both need the right scopes.

    `parameters` are the stack's, with defaults.
    """
    from relay.adapters.aws.ssm import Secret
    from relay.adapters.dynamodb.rate_limit import DynamoRateLimits, rate_limited_transport
    from relay.crm.rate_limit import RateLimiter
    from relay.wiring import crms
    from relay.wiring.environment import SettingsReader

    about = next(crm for crm in CRMS if crm.target == target)
    environment = {
        f"{target.upper()}_{setting.variable}": parameters.get(f"{about.name}{setting.name}", "")
        for setting in about.settings
    }
    reader = SettingsReader(environment)
    own = crms.CRMS[target].read(reader)
    reader.check()
    given = _Given(secret)
    # Two calls of a person need no limit, and the stack's table of limits may not exist yet.
    limiter = RateLimiter((), DynamoRateLimits("", target, given), lambda: datetime.now(UTC), time.sleep)
    crm = own.crm(Secret(f"the {target} secret", given), lambda _: rate_limited_transport(limiter))
    try:
        crm.check()
        crm.ensure_schema(dry_run=True)
    except MisconfiguredError as error:
        raise UsageError(f"{target} refuses it: {error}", _DEFINITIONS.format(target=target)) from None
    finally:
        closing: Any = crm
        closing.close()


def check_slack(secret: str, channel: str, url: str) -> None:
    """Post a test message: nothing less shows that a bot may write to the channel."""
    from relay.adapters.aws.ssm import Secret
    from relay.adapters.channels.slack import SlackChannel
    from relay.alerts.notifier import channel_test_message
    from relay.model.messages import ChannelTest
    from relay.ports.alerts import Notification

    test = ChannelTest(id=secrets.token_hex(8), at=datetime.now(UTC), channel="slack")
    notification = Notification(alert_message=channel_test_message(test), kind="notice", member=None)
    try:
        SlackChannel(Secret("the Slack secret", _Given(secret)), api=url, channel=channel).send(notification)
    except MisconfiguredError as error:
        raise UsageError(
            f"Slack refuses the test message: {error}",
            "the token needs the scope chat:write, and its bot must be a member of the channel",
        ) from None


def check_slack_signing(secret: str) -> None:
    """Refuse what is no signing secret by its form: only a click shows whether it is this app's."""
    if not all(re.fullmatch("[0-9a-f]{32}", one) for one in secret.split()):
        raise UsageError(
            "a signing secret has 32 digits and letters from a to f; two, by a space, while it is replaced",
            "it is in the Slack app, under Basic Information",
        )


def check_routing_key(key: str) -> None:
    """Refuse what is no routing key by its form: any event that PagerDuty takes would page a person."""
    if len(key) != _ROUTING_KEY or not key.isalnum():
        raise UsageError(
            f"a routing key has {_ROUTING_KEY} letters and digits",
            "it is in PagerDuty's service, under Integrations, Events API V2",
        )


def check_signing_secret(secret: str) -> None:
    """Refuse what is no secret of Standard Webhooks."""
    import base64

    for one in secret.split():
        try:
            valid = one.startswith("whsec_") and bool(base64.b64decode(one[6:], validate=True))
        except ValueError:
            valid = False
        if not valid:
            raise UsageError("a signing secret is whsec_ and base64", "two, by a space, while it is rotated")
