"""A scripted HubSpot for unit tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from relay.adapters.hubspot import Hubspot

from tests.contract.crm.profiles import key_of
from tests.contract.crm.tokens import FixedToken

KEY = key_of(7001)


def scripted_hubspot(
    answer: Callable[[httpx.Request], httpx.Response], token: FixedToken | None = None
) -> Hubspot:
    """Return an adapter whose HubSpot answers every request with `answer`."""
    return Hubspot("https://hub.example", token or FixedToken(), transport=httpx.MockTransport(answer))


def all_done(request: httpx.Request) -> httpx.Response:
    """Answer that every member of a batch was written."""
    inputs: list[dict[str, Any]] = json.loads(request.content)["inputs"]
    results = [
        {
            "id": "51",
            "new": True,
            "properties": {"membership_key": each["id"]},
            "objectWriteTraceId": each["id"],
        }
        for each in inputs
    ]
    return httpx.Response(200, json={"status": "COMPLETE", "results": results})
