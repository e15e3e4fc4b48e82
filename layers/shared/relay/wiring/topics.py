"""The Lambda handler of a webhook topic, made of the topic's rule and the services that the environment names."""

from __future__ import annotations

from functools import cache

from relay.ingest.consumer import Consumer, ConsumerServices
from relay.ingest.reducer import Decide, E, ReadFacts, TopicRule
from relay.wiring import common, queue


def consumer(model: type[E], facts: ReadFacts[E], decide: Decide[E]) -> Consumer[E]:
    """Return a topic's Lambda handler. Its services are made from the environment at the first event."""
    return Consumer(TopicRule(model, facts, decide), services)


@cache
def services() -> ConsumerServices:
    """Return what a topic's consumer needs, from the environment.

    Raises:
        MisconfiguredError: a setting is missing.

    """
    return ConsumerServices(
        shop=common.setting("SHOP_DOMAIN"),
        batch=queue.batch(),
        members=common.members(),
        journal=common.journal(),
        telemetry=common.telemetry(),
    )
