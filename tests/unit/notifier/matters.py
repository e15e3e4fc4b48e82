"""A matter after what was told of it, and what it still owes."""

from __future__ import annotations

from collections.abc import Sequence

from relay.changes import Telling
from relay.occasions import Occasion
from relay.telling.stepping import step

from tests.tellings import OCCASION, telling

CHANNELS = ("email", "slack")
NEW = Occasion(key=OCCASION)


def after(*tellings: Telling, channels: Sequence[str] = CHANNELS) -> Occasion:
    occasion = NEW
    for told in tellings:
        occasion = step(occasion, told, channels)
    return occasion


def owed(occasion: Occasion, channel: str = "slack") -> list[str]:
    return [f"{item.kind} {item.telling.event_id}" for item in occasion.owed if channel in item.parts]


OPEN = telling("e1", minute=10)
CLOSE = telling("e2", minute=20, action="close")
