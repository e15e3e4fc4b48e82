"""A consumer with everything around it in memory."""

from __future__ import annotations

from typing import Any

from inveterate.webhooks.payments import PaymentFailed
from relay.ingest.consumer import Consumer
from relay.ingest.reducer import TopicRule

from functions.payment_failed.app import decide, facts
from tests.support.port_fakes import SHOP, FakeContext, World, sample

KEY = f"{SHOP}:7733560541315"


def lost(customer: str = "7733560541315", at: str = "2025-05-30T11:01:00.674Z") -> dict[str, Any]:
    content = sample("customer.payment_failed")
    content["payload"] |= {"customerId": customer, "createdAt": at}
    content["metadata"]["triggerredAt"] = at
    return content


def handler(world: World) -> Consumer[PaymentFailed]:
    return Consumer(TopicRule(PaymentFailed, facts, decide), world.services)


def run(world: World, *records: dict[str, Any], millis: int = 60_000) -> list[str]:
    response = handler(world)({"Records": list(records)}, FakeContext(millis))
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]
