"""The webhook subscription operations of the API: one topic each, several or one per topic, with or without a token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.api import validation
from sim.api.calls import ApiCall, ApiError, ApiReply, accepted
from sim.callback_guard import is_local
from sim.clock import iso
from sim.events import PAYMENT_METHOD_ALIAS, TOPICS, Event
from sim.simulator import Simulator
from sim.webhooks import Subscription, canonical_topic, wire_topic


def subscription_record(sim: Simulator, subscription: Subscription, *, token: bool = False) -> dict[str, Any]:
    """Return a subscription; `token` is true only in the reply that creates it."""
    written = {
        "merchantId": sim.world.shop.merchant_id,
        "id": subscription.id,
        "callbackUrl": subscription.callback_url,
        "name": subscription.name,
        "dateCreated": iso(subscription.created_at),
        "dateUpdated": iso(subscription.updated_at),
        "createdByApp": subscription.app,
    }
    if subscription.topic is not None:
        written["topic"] = subscription.topic
    return written | {"token": subscription.token} if token else written


def new_subscription(sim: Simulator, topic: str | None, url: str, name: str) -> Subscription:
    """Return a new subscription, not yet in the list.

    Raises:
        ApiError: the callback URL is on another machine.

    """
    if not sim.settings.remote_callbacks and not is_local(url):
        raise ApiError("the callback URL must be on this machine (or use serve --anywhere)")
    world = sim.world
    identity, token = (f"{world.id_rng.getrandbits(128):032x}" for _ in range(2))
    return Subscription(identity, topic, url, name, token, world.now, world.now)


def _topic(sim: Simulator, name: str) -> str:
    names = {wire_topic(topic, sim.world.switches) for topic in TOPICS}
    if sim.world.switches("topic_aliases", "accepted"):
        names |= {PAYMENT_METHOD_ALIAS, canonical_topic(PAYMENT_METHOD_ALIAS)}
    if name not in names:
        raise ApiError("topic must be one of the documented topics")
    return name


def _current(sim: Simulator) -> list[Subscription]:
    return [one for one in sim.subscriptions.values() if one.topic is not None]


def list_subscriptions(call: ApiCall) -> ApiReply:
    """List all subscriptions of the merchant."""
    return ApiReply(
        "webhookSubscriptions", rows=[subscription_record(call.sim, one) for one in _current(call.sim)]
    )


def create(call: ApiCall) -> ApiReply:
    """Subscribe a URL to a topic; the list contains it a moment later."""
    sim = call.sim
    body = validation.body(call.body, validation.SUBSCRIBE)
    topic = _topic(sim, body["topic"])
    made = new_subscription(sim, topic, body["callbackUrl"], body["name"])
    choice = sim.world.switches["subscriptions_per_topic"]
    same = [one for one in _current(sim) if canonical_topic(one.topic or "") == canonical_topic(topic)]
    if choice == "one_refuses" and same:
        raise ApiError("the topic has a subscription already")

    def write() -> Iterator[Event]:
        for other in same if choice == "one_replaces" else ():
            sim.subscriptions.pop(other.id, None)
        sim.subscriptions[made.id] = made
        yield from ()

    with_token = not sim.world.switches("subscription_token", "none")
    return accepted(write, subscription_record(sim, made, token=with_token), half=write)


def _named(call: ApiCall, body: Any) -> Subscription:
    found = call.sim.subscriptions.get(body["id"])
    if found is None or found.topic is None or canonical_topic(found.topic) != canonical_topic(body["topic"]):
        raise ApiError("no such subscription of that topic")
    return found


def update(call: ApiCall) -> ApiReply:
    """Change the URL or the name, at once."""
    body = validation.body(call.body, validation.RESUBSCRIBE)
    found = _named(call, body)
    url = body.get("callbackUrl", found.callback_url)
    if not call.sim.settings.remote_callbacks and not is_local(url):
        raise ApiError("the callback URL must be on this machine (or use serve --anywhere)")
    found.callback_url, found.name = url, body.get("name", found.name)
    found.updated_at = call.world.now
    return ApiReply("webhookSubscription", subscription_record(call.sim, found))


def delete(call: ApiCall) -> ApiReply:
    """Delete a subscription; the id is in the body of the DELETE, and success is a 201."""
    found = _named(call, validation.body(call.body, validation.UNSUBSCRIBE))

    def write() -> Iterator[Event]:
        call.sim.subscriptions.pop(found.id, None)
        yield from ()

    return accepted(write, half=write)
