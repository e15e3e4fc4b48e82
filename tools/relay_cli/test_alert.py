"""`relay test-alert`: does a channel work? One message on the way that every alert takes, watched to its end."""

from __future__ import annotations

import argparse
import secrets
import time
from typing import TYPE_CHECKING, Final

from relay_cli.account import Account, add_stack
from relay_cli.failing import CliError
from relay_cli.said_of import incidents, now

if TYPE_CHECKING:
    from relay.model.incident import Incident

CHANNELS: Final = ("email", "slack", "pagerduty")
_SECRETS: Final = {"slack": "SlackSecret", "pagerduty": "PagerDutySecret"}
"""The parameter that makes a channel; e-mail is always there."""

_SECONDS_BETWEEN: Final = 1.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_stack(parser)
    parser.add_argument("channel", choices=CHANNELS, help="the channel to try")
    parser.add_argument(
        "--wait", type=float, default=60.0, help="seconds to wait for its end (default: %(default)s)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Send it and say how it went; return the exit code: 0 only where the channel took it."""
    from relay.alerts.notifier import channel_test_incident_key
    from relay.model.header import MessageHeader
    from relay.model.messages import CHANNEL_TEST_TOPIC, ChannelTest, dump

    account = Account(arguments.stack)
    _refuse_in_vain(account, arguments.channel)
    trial = ChannelTest(id=secrets.token_hex(8), at=now(), channel=arguments.channel)
    account.client("sqs").send_message(
        QueueUrl=account.output("AlertsUrl"),
        MessageBody=dump(trial),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value}
            for name, value in MessageHeader(topic=CHANNEL_TEST_TOPIC).attributes.items()
        },
    )
    memory, key = incidents(account), channel_test_incident_key(trial.id)
    until = time.monotonic() + arguments.wait
    while time.monotonic() < until:
        found = memory.load(key)
        if found.told and not found.owed:
            print(f"{arguments.channel} took it")
            return 0
        if reason := _refused(found):
            raise CliError(f"{arguments.channel} refused it: {reason}")
        time.sleep(min(_SECONDS_BETWEEN, arguments.wait))
    began = memory.load(key).told
    raise CliError(
        f"{arguments.channel} has not taken it in {arguments.wait:g} s",
        "it is tried again for three days; the notifier's log says why"
        if began
        else "the notifier has not taken it up: look for its errors in the log, and at the alarm late-alerts",
    )


def _refuse_in_vain(account: Account, channel: str) -> None:
    """Refuse a trial that nobody could see: it would end in the dead letters, or in a topic without readers.

    Raises:
        CliError: with what is to be done first.

    """
    secret = _SECRETS.get(channel)
    if secret and not account.parameters.get(secret):
        raise CliError(f"the stack {account.stack} has no {channel}", f"deploy it with {secret}")
    if channel == "email" and not _has_readers(account):
        raise CliError(
            f"nobody reads the e-mails of {account.stack}: no subscription is confirmed",
            "deploy it with AlertEmail, and follow the link in the mail that AWS sends to that address",
        )


def _has_readers(account: Account) -> bool:
    """Tell whether somebody is subscribed for good: one who has yet to confirm has no ARN."""
    pages = account.client("sns").get_paginator("list_subscriptions_by_topic")
    listed = pages.paginate(TopicArn=account.output("EmailTopic"))
    return any(one["SubscriptionArn"].startswith("arn:") for page in listed for one in page["Subscriptions"])


def _refused(incident_key: Incident) -> str:
    parts = [part for owed in incident_key.owed for part in owed.parts.values()]
    return next((part.reason for part in parts if part.reason), "")
