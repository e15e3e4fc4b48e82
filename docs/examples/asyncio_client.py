"""Read many members at once: one client, many tasks."""

import asyncio
import os

from inveterate import AsyncClient, CustomerId, Member


async def main() -> None:
    api_key = os.environ["INVETERATE_API_KEY"]
    base_url = os.environ.get("INVETERATE_URL", "http://127.0.0.1:8600")
    async with AsyncClient(api_key, base_url=base_url, requests_per_second=50) as client:
        ids: list[CustomerId] = [member.customer_id async for member in client.members.list()]
        members: list[Member] = await asyncio.gather(*(client.members.get(one) for one in ids))
        for member in members:
            print(member.customer_id, member.tier_name, member.joined_at)


asyncio.run(main())
