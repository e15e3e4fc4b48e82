"""`relay test-alert CHANNEL`: send a test message through the notifier, and wait until the channel has accepted it."""

from __future__ import annotations

import argparse
import secrets
import time
from typing import TYPE_CHECKING, Final

from relay_cli.email_subscriptions import email_subscriptions
from relay_cli.errors import CliError
from relay_cli.help import describe
from relay_cli.incidents import incident_store, now, send_to_notifier
from relay_cli.numbers import number
from relay_cli.output import show
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay.model.incident import Incident

CHANNELS: Final = ("email", "slack", "pagerduty")
_SECRETS: Final = {"slack": "SlackSecret", "pagerduty": "PagerDutySecret"}
"""The parameter that configures a channel. E-mail needs none."""

_SECONDS_BETWEEN_LOOKS: Final = 1.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay test-alert slack")
    parser.add_argument("channel", metavar="CHANNEL", choices=CHANNELS, help="email, slack or pagerduty")
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=number(0, 3_600),
        default=60.0,
        help="seconds to wait for the channel (default: %(default)s)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Send the message and report the result; return the exit code: 0 only where the channel accepted it."""
    from relay.alerts.notifier import channel_test_incident_key
    from relay.model.messages import CHANNEL_TEST_TOPIC, ChannelTest, dump

    stack, channel = Stack.of(arguments), arguments.channel
    _check_channel(stack, channel)
    test = ChannelTest(id=secrets.token_hex(8), at=now(), channel=channel)
    send_to_notifier(stack, dump(test), CHANNEL_TEST_TOPIC)
    store, key = incident_store(stack), channel_test_incident_key(test.id)
    until = time.monotonic() + arguments.wait
    while time.monotonic() < until:
        incident = store.load(key)
        if incident.seen_event_ids and not incident.pending:
            show(arguments, {"channel": channel, "accepted": True}, f"{channel} accepted the test message")
            return 0
        if reason := _refusal(incident):
            raise CliError(f"{channel} refused the test message: {reason}")
        time.sleep(min(_SECONDS_BETWEEN_LOOKS, arguments.wait))
    started = store.load(key).seen_event_ids
    raise CliError(
        f"{channel} has not accepted the test message in {arguments.wait:g} s",
        "the notifier retries for three days; its log says why"
        if started
        else "the notifier has not received it: look for errors in its log, and at the alarm late-alerts",
    )


def _check_channel(stack: Stack, channel: str) -> None:
    """Refuse a test that cannot be delivered: it would end in the dead letters, or in a topic without readers.

    Raises:
        CliError: with what has to be done first.

    """
    secret = _SECRETS.get(channel)
    if secret and not stack.parameters.get(secret):
        raise CliError(f"the stack {stack.name} has no channel {channel}", f"deploy it with {secret}")
    if channel == "email" and not email_subscriptions(stack).confirmed:
        raise CliError(
            f"no subscription to the e-mails of {stack.name} is confirmed",
            "deploy it with AlertEmail, and follow the link in the mail that AWS sends to that address",
        )


def _refusal(incident: Incident) -> str:
    """Return the reason of a channel that refused the message; empty for none."""
    deliveries = [delivery for pending in incident.pending for delivery in pending.deliveries.values()]
    return next((delivery.reason for delivery in deliveries if delivery.reason), "")
