"""Announcements as the tests of the messages make them."""

from __future__ import annotations

import json
from typing import Any

from relay.member import Member
from relay.occasions import Kind
from relay.ports.telling import Announcement

from tests.tellings import MIA, telling

LINK = "https://admin.shopify.com/store/acme/customers/7001"


def announcement(
    kind: Kind = "opening", who: Member | None = MIA, *, repeat: bool = False, **told: Any
) -> Announcement:
    return Announcement(telling=telling(**told), kind=kind, member=who, repeat=repeat)


def visible(payload: dict[str, Any]) -> str:
    return json.dumps(payload["blocks"], ensure_ascii=False)
