"""The CRMs that there are: one line and one function for each."""

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
    """Return this function's target. One line for each CRM that there is."""
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
        paced(Hubspot.rates),
        events=os.environ.get("HUBSPOT_EVENTS") == "true",
    )


def _klaviyo() -> Crm:
    from relay.adapters.klaviyo import Klaviyo, Options

    options = Options(
        revision=common.setting("KLAVIYO_REVISION"),
        external_id=os.environ.get("KLAVIYO_SET_EXTERNAL_ID") == "true",
        compat=os.environ.get("KLAVIYO_COMPAT_NAMES") == "true",
    )
    return Klaviyo(common.setting("KLAVIYO_URL"), _secret(), options, paced(Klaviyo.rates))


def _salesforce() -> Crm:
    from relay.adapters.salesforce import Org, Salesforce

    org = Org(
        common.setting("SALESFORCE_URL"),
        common.setting("SALESFORCE_OBJECT"),
        common.setting("SALESFORCE_VERSION"),
    )
    return Salesforce(org, _secret(), paced(Salesforce.rates))


def _webhook() -> Crm:
    from relay.adapters.webhook import Webhook

    return Webhook(common.setting("WEBHOOK_URL"), _secret(), paced(Webhook.rates))


def _secret() -> Secret:
    from relay.adapters.aws.ssm import Secret

    return Secret(common.setting(f"{common.setting('TARGET').upper()}_SECRET"))


def paced(rates: Sequence[RateLimit]) -> RateLimitedTransport:
    """Return a transport that keeps this target's rates, together with all other environments; none waits for none."""
    from relay.adapters.dynamodb.rate_limit import DynamoRateLimits, rate_limited_transport
    from relay.crm.rate_limit import RateLimiter

    turnstiles = DynamoRateLimits(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))
    return rate_limited_transport(RateLimiter(rates, turnstiles, common.now, time.sleep))
