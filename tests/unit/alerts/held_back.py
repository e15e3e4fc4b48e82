"""A desk that holds back floods and what can wait for the morning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from relay.model.messages import AlertMessage, ClockTick
from relay.ports.members import MemberRecord
from relay.queues.batch import Results
from relay.rules.settings import Flood, QuietHours, Rules

from tests.support.incident_builders import DAY, MIA, SHOP, Desk, FakeChannel, alert_message, message
from tests.support.port_fakes import FakeContext, FakeMembers

NIGHT = datetime(2025, 7, 1, 23, 0, tzinfo=UTC)
"""One in the morning in Berlin, where the shop is."""

MORNING = datetime(2025, 7, 2, 5, 15, tzinfo=UTC)
QUIET = Rules(quiet_hours=QuietHours(begin=time(22), end=time(7)))
FEW = Rules(flood=Flood(alerts=3, minutes=10))


def of(customer: int, minute: float = 0, **told: object) -> AlertMessage:
    """Return an alert about one of many members."""
    one = alert_message(
        f"e{customer}",
        member=f"{SHOP}:{customer}",
        incident_key=f"dun:{SHOP}:{customer}",
        **told,  # type: ignore[arg-type]
    )
    return replace(one, at=DAY + timedelta(minutes=minute))


def at(moment: datetime, event_id: str, **told: object) -> AlertMessage:
    """Return an alert about Mia at a moment."""
    return replace(alert_message(event_id, **told), at=moment)  # type: ignore[arg-type]


def desk_with(*channels: FakeChannel, rules: Rules) -> Desk:
    return Desk(
        channels=channels, members=FakeMembers({MIA.key: MemberRecord(member=MIA, version=1)}, rules=rules)
    )


def hear(desk: Desk, *said: AlertMessage | ClockTick, deferrals: int = 0, receives: int = 1) -> Results:
    messages = [message(told, deferrals=deferrals, receives=receives) for told in said]
    return desk.notifier().work(messages, FakeContext())


def tick(minute: float) -> ClockTick:
    return ClockTick(at=DAY + timedelta(minutes=minute))


def titles(channel: FakeChannel) -> list[str]:
    return [f"{had.kind} {had.alert_message.alert.title}" for had in channel.had]
