"""The blocks of a Slack message stay below Slack's limit, counted as the JSON that is sent."""

from __future__ import annotations

import json

import pytest
from relay.adapters.channels.slack import within_limit
from relay.alerts.render import slack_message
from relay.ports.alerts import Notification

from tests.support.incident_builders import MIA, alert_message

LIMIT = 13_200


@pytest.mark.slow
@pytest.mark.parametrize("char", ["x", '"', "\\", "é", "🎉", "<", "\n"])
def test_the_longest_message(char: str) -> None:
    """Whatever its characters cost in JSON, the message is accepted; the heading and the context stay."""
    long = char * 5_000
    message = alert_message(title=long, advice=long, details=tuple((f"{n}{long}", long) for n in range(80)))
    whole = slack_message(Notification(alert_message=message, kind="opened", member=MIA))
    blocks = within_limit(whole)["blocks"]
    assert len(json.dumps(blocks)) <= LIMIT
    assert blocks[0] == whole["blocks"][0]
    assert blocks[-1] == whole["blocks"][-1]
    assert len(blocks) > 2


def test_an_ordinary_message_is_whole() -> None:
    """Nothing is taken from a message that fits."""
    message = slack_message(Notification(alert_message=alert_message(), kind="opened", member=MIA))
    assert within_limit(message) == message
