"""Grant credits at most once for an order, whatever is lost on the way."""

import os
from decimal import Decimal

from inveterate import Client, CustomerId, GrantStatus, Intents, MemoryIntents


def grant(client: Client, customer_id: CustomerId, order: str, intents: Intents) -> bool:
    """Grant 5 credits for an order; return whether they are granted, by this call or an earlier one."""
    result = client.members.credits.grant(
        customer_id, Decimal(5), key=f"order-{order}", note=f"Order {order}", intents=intents
    )
    if result.status is GrantStatus.UNKNOWN:
        print(f"call again later with the same key ({result.cause!r})")
    return result.status is not GrantStatus.UNKNOWN


def main() -> None:
    api_key = os.environ["INVETERATE_API_KEY"]
    base_url = os.environ.get("INVETERATE_URL", "http://127.0.0.1:8600")
    # In memory, for one process. Several processes share a store of their own that implements `Intents`.
    intents = MemoryIntents()
    with Client(api_key, base_url=base_url) as client:
        customer_id = next(iter(client.members.list(limit=1))).customer_id
        print(grant(client, customer_id, "1001", intents))
        print(grant(client, customer_id, "1001", intents))  # the same grant: nothing is sent


if __name__ == "__main__":
    main()
