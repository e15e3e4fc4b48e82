"""How people are told: the notifier, its memory, and the channels that are configured."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from relay.wiring import common

if TYPE_CHECKING:
    from relay.ports.telling import Channel, Occasions
    from relay.telling.notifier import Notifier


@cache
def occasions() -> Occasions:
    """Return the notifier's memory."""
    from relay.adapters.occasions import DynamoOccasions

    return DynamoOccasions(common.setting("OCCASIONS_TABLE"), common.now)


@cache
def channels() -> tuple[Channel, ...]:
    """Return the ways to reach people: e-mail always, Slack and PagerDuty where they are configured."""
    from relay.adapters.email import EmailChannel

    ways: list[Channel] = [EmailChannel(common.setting("EMAIL_TOPIC"))]
    slack_secret = os.environ.get("SLACK_SECRET")
    if slack_secret:
        from relay.adapters.secrets import Secret
        from relay.adapters.slack import SlackChannel

        ways.append(
            SlackChannel(
                Secret(slack_secret),
                api=common.setting("SLACK_URL"),
                channel=os.environ.get("SLACK_CHANNEL", ""),
            )
        )
    pagerduty_secret = os.environ.get("PAGERDUTY_SECRET")
    if pagerduty_secret:
        from relay.adapters.pagerduty import PagerDutyChannel
        from relay.adapters.secrets import Secret

        ways.append(
            PagerDutyChannel(
                common.setting("PAGERDUTY_URL"), Secret(pagerduty_secret), common.setting("SHOP_DOMAIN")
            )
        )
    return tuple(ways)


@cache
def notifier() -> Notifier:
    """Return the work of `notifier`; it knows the rules as it last read them."""
    from relay.telling.addressing import zone_of
    from relay.telling.desk import Desk
    from relay.telling.notifier import Notifier

    return Notifier(
        desk=Desk(
            shop=common.setting("SHOP_DOMAIN"),
            occasions=occasions(),
            members=common.members(),
            channels=channels(),
            clock=common.now,
            telemetry=common.telemetry(),
            zone=zone_of(common.setting("TIME_ZONE")),
        ),
    )
