"""A scripted receiver for unit tests."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from decimal import Decimal

import httpx
from relay.adapters.webhook import Webhook
from relay.model.effects import Note
from relay.model.messages import EventEffects

from tests.contract.crm.profiles import AT, key_of, wanted
from tests.contract.crm.tokens import FixedToken
from tests.contract.crm.webhook_setup import SECRET

KEY = key_of(7001)
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
NOTE = Note(
    rule="joined", name="Membership Joined", properties={"amount": Decimal("9.90"), "tier_name": "Gold"}
)
EVENT_EFFECTS = EventEffects(event_id="e1", topic="customer.joined.paid_tier", at=AT, effects=(NOTE,))

Answer = Callable[[httpx.Request], httpx.Response]


def scripted_webhook(
    answer: Answer,
    sent: list[httpx.Request] | None = None,
    *,
    secret: str = SECRET,
    clock: Callable[[], float] = time.time,
) -> Webhook:
    """Return an adapter whose receiver answers every request with `answer`; requests are added to `sent`."""

    def respond(request: httpx.Request) -> httpx.Response:
        if sent is not None:
            sent.append(request)
        return answer(request)

    transport = httpx.MockTransport(respond)
    return Webhook("https://hooks.example/in", FixedToken(secret), transport, clock=clock)


def requests_with(secret: str) -> list[httpx.Request]:
    """Return the requests for one member, signed with this secret."""
    sent: list[httpx.Request] = []
    scripted_webhook(lambda request: httpx.Response(204), sent, secret=secret).upsert([wanted()])
    return sent
