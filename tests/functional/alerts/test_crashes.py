"""The process ends, or a server hangs, while the notifier sends: people get one message, or a marked repeat."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import httpx
import pytest
from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.slack import SlackChannel
from relay.adapters.dynamodb.incidents import DynamoIncidents
from relay.adapters.http import ssl_context
from relay.alerts.delivery import CLAIM_DURATION, NotifierContext
from relay.alerts.notifier import Notifier
from relay.errors import TransientError
from relay.model.incident import Incident
from relay.ports.alerts import AlertChannel, Notification
from relay.wiring.functions import NotifierServices
from relay.wiring.services import service

from functions.notifier import app
from tests.functional.alerts.conftest import CONTEXT, Aws, event
from tests.functional.alerts.expected_messages import DONE, EMAIL_SUBJECTS, SLACK_TEXTS, subjects
from tests.support.in_memory_notifier import Crash, FakeClock, FakeResponder
from tests.support.incident_builders import OPEN, SHOP, queue_message
from tests.support.port_fakes import FakeTelemetry


def test_slack_hangs_after_it_accepted_the_message(deployed: Aws) -> None:
    """A reply that comes too late leads to one marked repeat."""
    slack = SlackChannel(Secret("/relay/slack"), httpx.Client(timeout=0.2, verify=ssl_context()))
    notifier = deployed_notifier(slack)
    deployed.fail(hang=0.6)
    results = notifier.work([queue_message(OPEN)], CONTEXT)
    assert isinstance(results["e1"], TransientError)
    assert notifier.work([queue_message(OPEN, deferrals=1)], CONTEXT) == {"e1": None}
    assert notifier.work([queue_message(OPEN, deferrals=1)], CONTEXT) == {"e1": None}
    assert deployed.slack_texts() == [SLACK_TEXTS[0], f"{SLACK_TEXTS[0]} (may be a repeat)"]
    slack.client.close()


def deployed_notifier(*channels: AlertChannel, clock: FakeClock | None = None) -> Notifier:
    return Notifier(
        context=NotifierContext(
            incidents=service(NotifierServices).incidents,
            members=service(NotifierServices).members,
            channels=channels,
            clock=clock or FakeClock(),
            telemetry=FakeTelemetry(),
            shop=SHOP,
            zone=ZoneInfo("Europe/Berlin"),
            responder=FakeResponder(),
        ),
    )


class CrashingChannel:
    """Slack, with a crash before or after the message is sent."""

    name = "slack"

    def __init__(self, *, after: bool) -> None:
        """Crash once."""
        self.after = after
        self.crashed = False

    def send(self, notification: Notification) -> str | None:
        """Send, and end."""
        crash, self.crashed = not self.crashed, True
        if crash and not self.after:
            raise Crash
        thread = service(NotifierServices).channels[1].send(notification)
        if crash:
            raise Crash
        return thread


@pytest.mark.parametrize("after", [True, False])
def test_a_crash_while_sending(deployed: Aws, *, after: bool) -> None:
    """After the claim and before its record: sent once and once more marked as a repeat, or only marked."""
    clock = FakeClock()
    notifier = deployed_notifier(CrashingChannel(after=after), clock=clock)
    with pytest.raises(Crash):
        notifier.work([queue_message(OPEN)], CONTEXT)
    clock.advance(CLAIM_DURATION.total_seconds())
    assert notifier.work([queue_message(OPEN, receives=2)], CONTEXT) == {"e1": None}
    repeat = f"{SLACK_TEXTS[0]} (may be a repeat)"
    assert deployed.slack_texts() == ([SLACK_TEXTS[0], repeat] if after else [repeat])


def test_a_crash_before_anything_was_written(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so nothing is marked."""
    incidents = service(NotifierServices).incidents

    def crash(self: DynamoIncidents, incident: Incident) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(type(incidents), "save", crash)
        with pytest.raises(Crash):
            app.handler(event(OPEN), CONTEXT)
    assert app.handler(event(OPEN, receives=2), CONTEXT) == DONE
    assert deployed.slack_texts() == SLACK_TEXTS[:1]
    assert subjects(deployed) == EMAIL_SUBJECTS[:1]
