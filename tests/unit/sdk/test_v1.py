"""The 13 endpoints of the legacy API: as documented, deprecated, with existing successors."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from inveterate import BadKeyError, CustomerId, Pages, SubscriptionId, TierId, operations, v1
from inveterate._operation_table import endpoints
from inveterate.v1.resources import RESOURCES
from inveterate.webhooks import LEGACY_TOPICS, LegacyEvent, UnreadableEventError, parse

from tests.support.sdk.scripted_platform import KEY, Script

CUSTOMER = CustomerId("gid://shopify/Customer/5574691979318")
ID = "5574691979318"

Row = tuple[str, Callable[[Any], Any], str, str, Any]

ROWS: list[Row] = [
    ("merchant.get", lambda c: c.merchant.get(), "GET", "/merchant", None),
    ("benefits.list", lambda c: c.benefits.list(), "GET", "/benefits", None),
    ("campaigns.list", lambda c: c.campaigns.list(), "GET", "/campaigns", None),
    ("customers.list", lambda c: c.customers.list(limit=1), "GET", "/customers?limit=1", None),
    ("customers.get", lambda c: c.customers.get(CUSTOMER), "GET", f"/customers/{ID}", None),
    (
        "customers.cancel",
        lambda c: c.customers.cancel(CUSTOMER, "shop"),
        "POST",
        f"/customers/{ID}/cancel",
        {"merchantId": "shop"},
    ),
    ("credits.list", lambda c: c.credits.list(CUSTOMER), "GET", f"/customers/credits?customerId={ID}", None),
    (
        "credits.add",
        lambda c: c.credits.add(CUSTOMER, Decimal("5.50")),
        "POST",
        f"/customers/credits?customerId={ID}&credit=5.50",
        None,
    ),
    (
        "redemption.create",
        lambda c: c.redemption.create(CUSTOMER, 5, "shop", email="a@example.com"),
        "POST",
        "/redemption-discount-code",
        {"customerId": int(ID), "amount": 5, "merchantId": "shop", "email": "a@example.com"},
    ),
    (
        "free_tier.signup",
        lambda c: c.free_tier.signup("shop", CUSTOMER, segment_id=TierId("t")),
        "POST",
        "/signup-free-tier",
        {"merchantId": "shop", "customerId": ID, "segmentId": "t"},
    ),
    (
        "webhooks.create",
        lambda c: c.webhooks.create("https://example.com", name="n"),
        "POST",
        "/webhooks",
        {"callbackUrl": "https://example.com", "name": "n"},
    ),
    ("webhooks.list", lambda c: c.webhooks.list(), "GET", "/webhooks", None),
    ("webhooks.delete", lambda c: c.webhooks.delete(SubscriptionId("s")), "DELETE", "/webhooks", {"id": "s"}),
]

RECORD = {"customerId": ID, "id": "s", "merchantId": "m", "rows": []}


def answer(_: httpx.Request) -> httpx.Response:
    """Reply in v1's envelope."""
    return httpx.Response(200, json={"success": True, "data": RECORD, "errors": []})


def client(script: Script) -> v1.Client:
    """Return a v1 client."""
    return v1.Client(KEY, transport=httpx.MockTransport(script))


@pytest.mark.parametrize(("name", "use", "method", "target", "body"), ROWS)
def test_each_endpoint_is_as_documented_and_deprecated(
    name: str, use: Callable[[Any], Any], method: str, target: str, body: Any
) -> None:
    """Method, path, query, body and key; a warning, at the caller's line, that names the successor."""
    script = Script(answer, merchant=None)
    with client(script) as it:
        with pytest.warns(DeprecationWarning, match=rf"v1 {name} is deprecated") as caught:
            result = use(it)
        if isinstance(result, Pages):
            list(result)
    assert {warning.filename for warning in caught} == {__file__}
    (request,) = script.requests
    assert (request.method, str(request.url)) == (method, f"https://public.inveterateapi.com{target}")
    assert (json.loads(request.content) if request.content else None) == body
    assert request.headers["X-Inveterate-Api-Key"] == KEY


def test_both_clients_have_the_same_13() -> None:
    """The table, the rows above and the async client agree; every successor exists."""
    assert [row["name"] for row in v1.operations()] == [row[0] for row in ROWS]
    successors = {endpoint.successor for endpoint in endpoints(RESOURCES)}
    assert successors <= {row["name"] for row in operations()}

    async def main() -> None:
        script = Script(answer, merchant=None)
        async with v1.AsyncClient(KEY, transport=httpx.MockTransport(script)) as it:
            for _, use, *_ in ROWS:
                result = use(it)
                if hasattr(result, "__aiter__"):
                    async for _ in result:
                        pass
                else:
                    await result
        assert len(script.requests) == 13

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.run(main())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_ledger_has_no_envelope() -> None:
    """Credits and redemption stand at the top."""
    body = {
        "credits": [
            {"amount": 5, "createdAt": "2000-01-01T12:00:00.000Z", "newBalance": 10, "reason": "MANUAL"}
        ],
        "redemption": {"code": "REDEEM+123456789", "value": 5},
    }
    with client(Script(httpx.Response(200, json=body))) as it:
        ledger = it.credits.list(CUSTOMER)
    assert ledger.credits[0].new_balance == 10
    assert ledger.redemption is not None
    assert ledger.redemption.code == "REDEEM+123456789"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_both_documented_replies_to_a_bad_key_are_one_error() -> None:
    """The status makes no difference."""
    for body in ({"message": "Unauthorized"}, {"data": {}, "success": False, "errors": ["Invalid API key"]}):
        for status in (200, 400, 401):
            script = Script(httpx.Response(status, json=body), merchant=None)
            with client(script) as it:
                for act in (it.merchant.get, it.benefits.list, lambda: it.customers.get(CUSTOMER)):
                    with pytest.raises(BadKeyError):
                        act()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_secrets_of_a_reply_are_not_shown() -> None:
    """The token of a subscriber is readable and not in its repr; a cancel token is taken out."""
    made = {"data": {"subscriber": {"id": "s", "token": "t0k3n", "callbackUrl": "https://example.com/t0k3n"}}}
    with client(Script(httpx.Response(200, json=made))) as it:
        subscriber = it.webhooks.create("https://example.com")
    assert subscriber.token == "t0k3n"
    assert "t0k3n" not in repr(subscriber)
    asked = {"data": {"cancelRequest": {"cancelToken": "t0k3n", "status": "INITIALIZED"}}}
    with client(Script(httpx.Response(200, json=asked))) as it:
        receipt = it.customers.cancel(CUSTOMER, "shop")
    assert receipt.data == {"cancelRequest": {"status": "INITIALIZED"}}


@pytest.mark.parametrize("topic", LEGACY_TOPICS)
def test_the_parser_knows_the_legacy_topics(topic: str) -> None:
    """Their payloads are undocumented, so they are kept whole; a merchant's event has no member."""
    body = json.dumps({"payload": {"anything": 1}, "metadata": {"topic": topic}, "token": "t0k3n"})
    event = parse(body)
    assert type(event) is LegacyEvent
    assert event.raw["payload"] == {"anything": 1}
    with pytest.raises(UnreadableEventError):
        _ = event.customer_id


@pytest.mark.parametrize("place", ["top", "metadata"])
@pytest.mark.parametrize("topic", ["customer.updated", "merchant.updated"])
def test_the_token_of_a_body_is_read_compared_and_not_shown(topic: str, place: str) -> None:
    """In constant time, wherever it stands; an event without one has_token none."""
    delivery: dict[str, Any] = {"payload": {"customerId": "42"}, "metadata": {"topic": topic}}
    bare = parse(json.dumps(delivery))
    assert bare.token is None
    assert not bare.has_token("")
    assert not bare.has_token("t0k3n")
    (delivery if place == "top" else delivery["metadata"])["token"] = "t0k3n"
    event = parse(json.dumps(delivery))
    assert event.token == "t0k3n"
    assert event.has_token("t0k3n")
    assert not event.has_token("other")
    assert "t0k3n" not in repr(event)
    assert event.id == bare.id
