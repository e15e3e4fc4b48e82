"""Webhook subscriptions: one topic each, several per topic or one, with a token or without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.api import checks
from sim.api.calls import Answer, ApiError, Call, accepted
from sim.clock import iso
from sim.events import OTHER_NAME, TOPICS, Event
from sim.reach import is_local
from sim.sending import Subscription, plain, sent_name
from sim.simulator import Simulator


def row(sim: Simulator, subscription: Subscription, *, token: bool = False) -> dict[str, Any]:
    """Write a subscription; the token is shown once, when it is made."""
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


def make(sim: Simulator, topic: str | None, url: str, name: str) -> Subscription:
    """Make a subscription that nobody has put on the list yet.

    Raises:
        ApiError: when the URL leads to somebody else's machine.

    """
    if not sim.settings.anywhere and not is_local(url):
        raise ApiError("the simulator calls back to this machine only (serve --anywhere lifts that)")
    world = sim.world
    identity, token = (f"{world.ids.getrandbits(128):032x}" for _ in range(2))
    return Subscription(identity, topic, url, name, token, world.now, world.now)


def _topic(sim: Simulator, name: str) -> str:
    names = {sent_name(topic, sim.world.switches) for topic in TOPICS}
    if sim.world.switches("topic_aliases", "accepted"):
        names |= {OTHER_NAME, plain(OTHER_NAME)}
    if name not in names:
        raise ApiError("topic must be one of the documented topics")
    return name


def _current(sim: Simulator) -> list[Subscription]:
    return [one for one in sim.subscriptions.values() if one.topic is not None]


def list_subscriptions(call: Call) -> Answer:
    """List all of the merchant's, whoever made them."""
    return Answer("webhookSubscriptions", rows=[row(call.sim, one) for one in _current(call.sim)])


def create(call: Call) -> Answer:
    """Subscribe a URL to a topic; the list shows it a moment later."""
    sim = call.sim
    body = checks.body(call.body, checks.SUBSCRIBE)
    topic = _topic(sim, body["topic"])
    made = make(sim, topic, body["callbackUrl"], body["name"])
    reading = sim.world.switches["subscriptions_per_topic"]
    same = [one for one in _current(sim) if plain(one.topic or "") == plain(topic)]
    if reading == "one_refuses" and same:
        raise ApiError("there is a subscription of this topic")

    def write() -> Iterator[Event]:
        for other in same if reading == "one_replaces" else ():
            sim.subscriptions.pop(other.id, None)
        sim.subscriptions[made.id] = made
        yield from ()

    with_token = not sim.world.switches("subscription_token", "none")
    return accepted(write, row(sim, made, token=with_token), half=write)


def _named(call: Call, body: Any) -> Subscription:
    found = call.sim.subscriptions.get(body["id"])
    if found is None or found.topic is None or plain(found.topic) != plain(body["topic"]):
        raise ApiError("no such subscription of that topic")
    return found


def update(call: Call) -> Answer:
    """Change a URL or a name, at once."""
    body = checks.body(call.body, checks.RESUBSCRIBE)
    found = _named(call, body)
    url = body.get("callbackUrl", found.callback_url)
    if not call.sim.settings.anywhere and not is_local(url):
        raise ApiError("the simulator calls back to this machine only (serve --anywhere lifts that)")
    found.callback_url, found.name = url, body.get("name", found.name)
    found.updated_at = call.world.now
    return Answer("webhookSubscription", row(call.sim, found))


def delete(call: Call) -> Answer:
    """Delete one: the id travels in the body of the DELETE, and success is a 201."""
    found = _named(call, checks.body(call.body, checks.UNSUBSCRIBE))

    def write() -> Iterator[Event]:
        call.sim.subscriptions.pop(found.id, None)
        yield from ()

    return accepted(write, half=write)
