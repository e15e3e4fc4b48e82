"""Build alert messages, incidents, notifications and queue messages for tests of alerts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from relay.alerts.transitions import apply
from relay.model.effects import Alert, AlertAction, Level
from relay.model.header import MessageHeader
from relay.model.incident import Incident, NotificationKind
from relay.model.incident_action import INCIDENT_ACTION_TOPIC, IncidentAction
from relay.model.member import Member
from relay.model.messages import (
    CHANNEL_TEST_TOPIC,
    DIGEST_TOPIC,
    TICK_TOPIC,
    AlertMessage,
    ChannelTest,
    ClockTick,
    DailyDigest,
    dump,
)
from relay.model.registers import Register
from relay.model.stamps import Stamp
from relay.ports.alerts import Notification
from relay.queues.batch import Message
from relay.rules.settings import Flood, QuietHours, Rules

from tests.support.port_fakes import NOW

SHOP = "acme.myshopify.com"
KEY = f"{SHOP}:7001"
INCIDENT_KEY = f"dun:{KEY}"
CUSTOMER_LINK = "https://admin.shopify.com/store/acme/customers/7001"
DAY = datetime(2025, 7, 1, 9, 0, tzinfo=UTC)
CHANNELS = ("email", "slack")

NIGHT = datetime(2025, 7, 1, 23, 0, tzinfo=UTC)
"""One in the morning in Berlin, the shop's time zone."""

MORNING = datetime(2025, 7, 2, 5, 15, tzinfo=UTC)
QUIET_HOURS = Rules(quiet_hours=QuietHours(begin=time(22), end=time(7)))
FLOOD_CONTROL = Rules(flood=Flood(alerts=3, minutes=10))


def member(key: str = KEY, **values: str) -> Member:
    """Return a member with these fields."""
    shop, _, customer_id = key.rpartition(":")
    registers = {name: Register(value, Stamp.of(DAY, "e0")) for name, value in values.items()}
    return Member(shop=shop, customer_id=customer_id, registers=registers)


MIA = member(email="mia.keller@example.com", first_name="Mia", last_name="Keller", tier_name="Gold")


def alert_message(
    event_id: str = "e1",
    *,
    minute: float = 0,
    at: datetime | None = None,
    action: AlertAction = "open",
    level: Level = Level.WARNING,
    incident_key: str = INCIDENT_KEY,
    member: str = KEY,
    title: str = "Payment failed",
    details: tuple[tuple[str, str], ...] = (("Amount", "49.00 USD"),),
    advice: str = "Ask the member for another card.",
    immediate: bool = False,
    one_off: bool = False,
    **more: Any,
) -> AlertMessage:
    """Return an alert message dated `at`, or so many minutes after `DAY`."""
    alert = Alert(
        rule="payment_failed",
        incident_key=incident_key,
        level=level,
        title=title,
        action=action,
        details=details,
        advice=advice,
        immediate=immediate,
        one_off=one_off,
        **more,
    )
    return AlertMessage(
        id=f"{event_id}.payment_failed",
        event_id=event_id,
        topic="customer.payment_failed",
        member=member,
        at=at or DAY + timedelta(minutes=minute),
        alert=alert,
    )


def member_alert(customer: int, minute: float = 0, event_id: str = "", **fields: Any) -> AlertMessage:
    """Return an alert message about one of many members, with an incident of its own."""
    return alert_message(
        event_id or f"e{customer}",
        minute=minute,
        member=f"{SHOP}:{customer}",
        incident_key=f"dun:{SHOP}:{customer}",
        **fields,
    )


OPEN = alert_message("e1", minute=10)
ESCALATE = alert_message("e3", minute=15, level=Level.ERROR)
RESOLVE = alert_message("e2", minute=20, action="resolve", title="Payment recovered")


def tick_at(minute: float) -> ClockTick:
    """Return a tick of the clock so many minutes after `DAY`."""
    return ClockTick(at=DAY + timedelta(minutes=minute))


def queue_message(
    request: AlertMessage | ClockTick | DailyDigest | ChannelTest | IncidentAction | str,
    *,
    receives: int = 1,
    deferrals: int = 0,
) -> Message:
    """Return a message of the alerts queue; a text becomes its body as it is."""
    match request:
        case str():
            message_id, body, topic = request, request, ""
        case AlertMessage():
            message_id, body, topic = request.event_id, dump(request), request.topic
        case ClockTick():
            message_id, body, topic = f"tick {request.at:%d %H:%M}", dump(request), TICK_TOPIC
        case DailyDigest():
            message_id, body, topic = request.id, dump(request), DIGEST_TOPIC
        case ChannelTest():
            message_id, body, topic = request.id, dump(request), CHANNEL_TEST_TOPIC
        case IncidentAction():
            message_id, body, topic = request.id, request.as_json(), INCIDENT_ACTION_TOPIC
    return Message(
        id=message_id,
        body=body,
        receives=receives,
        receipt="receipt",
        sent_at=NOW,
        header=MessageHeader(topic=topic, deferrals=deferrals),
    )


EMPTY_INCIDENT = Incident(key=INCIDENT_KEY)


def incident_after(*alert_messages: AlertMessage, channels: Sequence[str] = CHANNELS) -> Incident:
    """Return the incident after these alert messages, each with an opening for these channels."""
    incident = EMPTY_INCIDENT
    for one in alert_messages:
        incident = apply(incident, one, channels)
    return incident


def pending_for(incident: Incident, channel: str = "slack") -> list[str]:
    """Return a channel's pending notifications as `kind event_id`."""
    return [
        f"{pending.kind} {pending.alert_message.event_id}"
        for pending in incident.pending
        if channel in pending.deliveries
    ]


def notification(
    kind: NotificationKind = "opened",
    record: Member | None = MIA,
    *,
    may_be_repeat: bool = False,
    mask: bool = True,
    **alert: Any,
) -> Notification:
    """Return a notification of an alert message with these fields; `record` is the member's."""
    return Notification(
        alert_message=alert_message(**alert), kind=kind, member=record, may_be_repeat=may_be_repeat, mask=mask
    )


def blocks_text(payload: dict[str, Any]) -> str:
    """Return the blocks of a Slack message as text."""
    return json.dumps(payload["blocks"], ensure_ascii=False)
