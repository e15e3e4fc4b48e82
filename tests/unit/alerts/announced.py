"""Announcements as the tests of the messages make them."""

from __future__ import annotations

import json
from typing import Any

from relay.model.incident import NotificationKind
from relay.model.member import Member
from relay.ports.alerts import Notification

from tests.support.incident_builders import MIA, alert_message

LINK = "https://admin.shopify.com/store/acme/customers/7001"


def announcement(
    kind: NotificationKind = "opening", who: Member | None = MIA, *, repeat: bool = False, **told: Any
) -> Notification:
    return Notification(alert_message=alert_message(**told), kind=kind, member=who, repeat=repeat)


def visible(payload: dict[str, Any]) -> str:
    return json.dumps(payload["blocks"], ensure_ascii=False)
