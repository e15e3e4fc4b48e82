"""A desk in memory hears of what happened."""

from __future__ import annotations

from relay.model.effects import Level
from relay.model.messages import AlertMessage
from relay.ports.alerts import AlertChannel
from relay.queues.batch import Results

from tests.support.incident_builders import Desk, alert_message, message
from tests.support.port_fakes import FakeContext

OPEN = alert_message("e1", minute=10)
RISE = alert_message("e3", minute=15, level=Level.ERROR)
CLOSE = alert_message("e2", minute=20, action="close", title="Payment recovered")


def hear(desk: Desk, *alert_messages: AlertMessage, deferrals: int = 0, receives: int = 1) -> Results:
    messages = [message(told, deferrals=deferrals, receives=receives) for told in alert_messages]
    return desk.notifier().work(messages, FakeContext())


def desk_with(*channels: AlertChannel) -> Desk:
    return Desk(channels=channels)


def code(error: Exception | None) -> tuple[str, str]:
    return type(error).__name__, str(error)
