"""Wiring of alerts: the notifier, the store of incidents, and the configured channels."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from relay.wiring import common

if TYPE_CHECKING:
    from relay.alerts.notifier import Notifier
    from relay.ports.alerts import AlertChannel, IncidentStore


@cache
def incidents() -> IncidentStore:
    """Return the store of incidents."""
    from relay.adapters.dynamodb.incidents import DynamoIncidents

    return DynamoIncidents(common.setting("INCIDENTS_TABLE"), common.now)


@cache
def channels() -> tuple[AlertChannel, ...]:
    """Return the channels: e-mail alfound, Slack and PagerDuty where they are configured."""
    from relay.adapters.channels.email import EmailChannel

    found: list[AlertChannel] = [EmailChannel(common.setting("EMAIL_TOPIC"))]
    slack_secret = os.environ.get("SLACK_SECRET")
    if slack_secret:
        from relay.adapters.aws.ssm import Secret
        from relay.adapters.channels.slack import SlackChannel

        found.append(
            SlackChannel(
                Secret(slack_secret),
                api=common.setting("SLACK_URL"),
                channel=os.environ.get("SLACK_CHANNEL", ""),
            )
        )
    pagerduty_secret = os.environ.get("PAGERDUTY_SECRET")
    if pagerduty_secret:
        from relay.adapters.aws.ssm import Secret
        from relay.adapters.channels.pagerduty import PagerDutyChannel

        found.append(
            PagerDutyChannel(
                common.setting("PAGERDUTY_URL"), Secret(pagerduty_secret), common.setting("SHOP_DOMAIN")
            )
        )
    return tuple(found)


@cache
def notifier() -> Notifier:
    """Return the notifier, which keeps the rules that it last read."""
    from relay.alerts.delivery import NotifierContext
    from relay.alerts.notifier import Notifier
    from relay.alerts.routing import zone_of

    return Notifier(
        context=NotifierContext(
            shop=common.setting("SHOP_DOMAIN"),
            incidents=incidents(),
            members=common.members(),
            channels=channels(),
            clock=common.now,
            telemetry=common.telemetry(),
            zone=zone_of(common.setting("TIME_ZONE")),
        ),
    )
