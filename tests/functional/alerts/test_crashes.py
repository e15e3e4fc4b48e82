"""The notifier when a process ends or a server hangs around the sending: told once, or marked as a repeat."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import httpx
import pytest
from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.slack import SlackChannel
from relay.adapters.dynamodb.incidents import DynamoIncidents
from relay.adapters.http import ssl_context
from relay.alerts.context import NotifierContext
from relay.alerts.delivery import LEASE
from relay.alerts.notifier import Notifier
from relay.errors import TransientError
from relay.model.incident import Incident
from relay.ports.alerts import AlertChannel, Notification
from relay.wiring.functions import NotifierServices
from relay.wiring.services import service

from functions.notifier import app
from tests.functional.alerts.conftest import CONTEXT, Aws, event
from tests.functional.alerts.told import DONE, EMAILED, OPEN, SLACK_TOLD, subjects
from tests.support.incident_builders import SHOP, Clock, Crash, message
from tests.support.port_fakes import FakeTelemetry


def test_slack_hangs_after_taking_it(deployed: Aws) -> None:
    """An answer that comes too late leads to one repeat that says so."""
    impatient = SlackChannel(Secret("/relay/slack"), httpx.Client(timeout=0.2, verify=ssl_context()))
    notifier = notifier_with(impatient)
    deployed.fail(hang=0.6)
    answers = notifier.work([message(OPEN)], CONTEXT)
    assert isinstance(answers["e1"], TransientError)
    assert notifier.work([message(OPEN, deferrals=1)], CONTEXT) == {"e1": None}
    assert notifier.work([message(OPEN, deferrals=1)], CONTEXT) == {"e1": None}
    assert deployed.told() == [SLACK_TOLD[0], f"{SLACK_TOLD[0]} (may be a repeat)"]
    impatient.client.close()


def notifier_with(*channels: AlertChannel, clock: Clock | None = None) -> Notifier:
    return Notifier(
        desk=NotifierContext(
            incidents=service(NotifierServices).incidents,
            members=service(NotifierServices).members,
            channels=channels,
            clock=clock or Clock(),
            telemetry=FakeTelemetry(),
            shop=SHOP,
            zone=ZoneInfo("Europe/Berlin"),
        ),
    )


class CrashingChannel:
    """Slack, with the process ending before or after the sending."""

    name = "slack"

    def __init__(self, *, after: bool) -> None:
        """Crash once."""
        self.after = after
        self.crashed = False

    def announce(self, announcement: Notification) -> str | None:
        """Send, and end."""
        crash, self.crashed = not self.crashed, True
        if crash and not self.after:
            raise Crash
        thread = service(NotifierServices).channels[1].announce(announcement)
        if crash:
            raise Crash
        return thread


@pytest.mark.parametrize("after", [True, False])
def test_a_crash_around_the_sending(deployed: Aws, *, after: bool) -> None:
    """After the claim and before its note: told once, and once more marked as a repeat, or only so marked."""
    clock = Clock()
    notifier = notifier_with(CrashingChannel(after=after), clock=clock)
    with pytest.raises(Crash):
        notifier.work([message(OPEN)], CONTEXT)
    clock.passes(LEASE.total_seconds())
    assert notifier.work([message(OPEN, receives=2)], CONTEXT) == {"e1": None}
    repeat = f"{SLACK_TOLD[0]} (may be a repeat)"
    assert deployed.told() == ([SLACK_TOLD[0], repeat] if after else [repeat])


def test_a_crash_before_anything_was_noted(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so nothing is marked."""
    incidents = service(NotifierServices).incidents

    def crash(self: DynamoIncidents, incident: Incident) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(type(incidents), "save", crash)
        with pytest.raises(Crash):
            app.handler(event(OPEN), CONTEXT)
    assert app.handler(event(OPEN, receives=2), CONTEXT) == DONE
    assert deployed.told() == SLACK_TOLD[:1]
    assert subjects(deployed) == EMAILED[:1]
