"""A desk in memory hears of what happened."""

from __future__ import annotations

from relay.batch import Answers
from relay.changes import Telling
from relay.effects import Level
from relay.ports.telling import Channel

from tests.fakes import FakeContext
from tests.tellings import Desk, message, telling

OPEN = telling("e1", minute=10)
RISE = telling("e3", minute=15, level=Level.ERROR)
CLOSE = telling("e2", minute=20, action="close", title="Payment recovered")


def hear(desk: Desk, *tellings: Telling, deferrals: int = 0, receives: int = 1) -> Answers:
    messages = [message(told, deferrals=deferrals, receives=receives) for told in tellings]
    return desk.notifier().work(messages, FakeContext())


def desk_with(*channels: Channel) -> Desk:
    return Desk(channels=channels)


def code(error: Exception | None) -> tuple[str, str]:
    return type(error).__name__, str(error)
