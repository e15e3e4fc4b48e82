"""Every message of the signed webhook has one id for all its tries, and the standard's own library accepts each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from relay.adapters.webhook import Webhook
from relay.model.messages import MemberChanged
from relay.ports.crm import ContactRef
from standardwebhooks.webhooks import Webhook as ReferenceWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.profiles import wanted
from tests.contract.crm.webhook_setup import SECRET
from tests.unit.crm.scripted_webhook import EVENT_EFFECTS, KEY, OTHER_SECRET, scripted_webhook


def _three_tries(send: Callable[[Webhook], object]) -> list[httpx.Request]:
    """Return the requests of a message that the receiver refuses twice, an hour apart, and then takes."""
    sent: list[httpx.Request] = []
    replies = iter((500, 429, 204))
    times = iter(range(10_000))
    crm = scripted_webhook(
        lambda _: httpx.Response(next(replies)), sent, clock=lambda: 1_764_000_000.0 + 3600 * next(times)
    )
    for _ in range(3):
        send(crm)
    assert len(sent) == 3
    return sent


@pytest.mark.parametrize(
    "send",
    [
        lambda crm: crm.upsert([wanted(tier_name="Gold")]),
        lambda crm: crm.record([MemberChanged(member=KEY, events=(EVENT_EFFECTS,))]),
        lambda crm: crm.clear([ContactRef(key=KEY, version="v1")]),
    ],
    ids=["updated", "event", "removed"],
)
def test_one_id_for_all_tries(send: Callable[[Webhook], object]) -> None:
    """By it a receiver recognises a repetition; the timestamp is that of each try."""
    sent = _three_tries(send)
    assert len({request.headers["webhook-id"] for request in sent}) == 1
    assert len({request.headers["webhook-timestamp"] for request in sent}) == 3


def test_another_message_has_another_id() -> None:
    """Another state, another event and another removal of the same member are not repetitions."""
    other = replace(EVENT_EFFECTS, event_id="e2")
    sends: list[Callable[[Webhook], object]] = [
        lambda crm: crm.upsert([wanted(tier_name="Gold")]),
        lambda crm: crm.upsert([wanted(tier_name="Silver")]),
        lambda crm: crm.record([MemberChanged(member=KEY, events=(EVENT_EFFECTS,))]),
        lambda crm: crm.record([MemberChanged(member=KEY, events=(other,))]),
        lambda crm: crm.clear([ContactRef(key=KEY, version="v1")]),
        lambda crm: crm.clear([ContactRef(key=KEY, version="v2")]),
    ]
    ids = {_three_tries(send)[0].headers["webhook-id"] for send in sends}
    assert len(ids) == len(sends)


def test_a_removal_that_is_tried_again() -> None:
    """An erasure that the receiver refuses at first has the same id when it is taken."""
    sent: list[httpx.Request] = []
    replies = {"status": 204}
    crm = scripted_webhook(lambda _: httpx.Response(replies["status"]), sent)
    sync = InMemorySync(crm)
    sync.write(7001, email="mia@example.com")
    sync.update(7001, email=None)
    replies["status"] = 400
    sent.clear()
    for _ in range(3):
        sync.send(7001)
        sync.clock.forward(3600)
    replies["status"] = 204
    sync.send(7001)
    removals = [each for each in sent if json.loads(each.content)["type"] == "member.removed"]
    assert len(removals) == 4
    assert len({each.headers["webhook-id"] for each in removals}) == 1


@pytest.mark.parametrize("secret", [SECRET, f"{SECRET} {OTHER_SECRET}", f"{OTHER_SECRET},{SECRET}"])
def test_the_reference_library_accepts_every_message(secret: str) -> None:
    """Also during a rotation of the secret; and it refuses a body that was changed on the way."""
    sent: list[httpx.Request] = []
    crm = scripted_webhook(lambda _: httpx.Response(204), sent, secret=secret)
    crm.upsert([wanted(tier_name="Gold “früher” <b>")])
    crm.record([MemberChanged(member=KEY, events=(EVENT_EFFECTS,))])
    crm.clear([ContactRef(key=KEY)])
    reference = ReferenceWebhook(SECRET)
    kinds = []
    for request in sent:
        body: Any = reference.verify(request.content, dict(request.headers))
        kinds.append(body["type"])
        with pytest.raises(WebhookVerificationError):
            reference.verify(request.content.replace(b"7001", b"7002"), dict(request.headers))
    assert kinds == ["member.updated", "member.event", "member.removed"]
