"""The supported CRMs: one line and one function for each."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from relay.errors import MisconfiguredError
from relay.wiring import common

if TYPE_CHECKING:
    from relay.adapters.aws.ssm import Secret
    from relay.adapters.dynamodb.rate_limit import RateLimitedTransport
    from relay.ports.crm import Crm, RateLimit


@cache
def crm() -> Crm:
    """Return this function's target."""
    targets = {
        "hubspot": _hubspot,
        "klaviyo": _klaviyo,
        "salesforce": _salesforce,
        "webhook": _webhook,
    }
    target = common.setting("TARGET")
    if target not in targets:
        raise MisconfiguredError("no CRM by the name in TARGET", setting="TARGET")
    return targets[target]()


def _hubspot() -> Crm:
    from relay.adapters.hubspot import Hubspot

    return Hubspot(
        common.setting("HUBSPOT_URL"),
        _secret(),
        common.setting("HUBSPOT_VERSION"),
        rate_limited(Hubspot.rate_limits),
        events=os.environ.get("HUBSPOT_EVENTS") == "true",
    )


def _klaviyo() -> Crm:
    from relay.adapters.klaviyo import Klaviyo, KlaviyoOptions

    options = KlaviyoOptions(
        revision=common.setting("KLAVIYO_REVISION"),
        external_id=os.environ.get("KLAVIYO_SET_EXTERNAL_ID") == "true",
        compat=os.environ.get("KLAVIYO_COMPAT_NAMES") == "true",
    )
    return Klaviyo(common.setting("KLAVIYO_URL"), _secret(), options, rate_limited(Klaviyo.rate_limits))


def _salesforce() -> Crm:
    from relay.adapters.salesforce import Salesforce, SalesforceOrg

    org = SalesforceOrg(
        common.setting("SALESFORCE_URL"),
        common.setting("SALESFORCE_OBJECT"),
        common.setting("SALESFORCE_VERSION"),
    )
    return Salesforce(org, _secret(), rate_limited(Salesforce.rate_limits))


def _webhook() -> Crm:
    from relay.adapters.webhook import Webhook

    return Webhook(common.setting("WEBHOOK_URL"), _secret(), rate_limited(Webhook.rate_limits))


def _secret() -> Secret:
    from relay.adapters.aws.ssm import Secret

    return Secret(common.setting(f"{common.setting('TARGET').upper()}_SECRET"))


def rate_limited(limits: Sequence[RateLimit]) -> RateLimitedTransport:
    """Return a transport that keeps this target's rate limits, together with all other environments."""
    from relay.adapters.dynamodb.rate_limit import DynamoRateLimits, rate_limited_transport
    from relay.crm.rate_limit import RateLimiter

    store = DynamoRateLimits(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))
    return rate_limited_transport(RateLimiter(limits, store, common.now, time.sleep))
