"""A mutated reply is a typed value or a typed error."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from inveterate import Client, InveterateError, Page, Pages, Receipt
from inveterate.models.base import Record

from tests.contract.operation_cases import CASES
from tests.support.sdk.scripted_platform import Script

MEMBER = {
    "customerId": "42",
    "credit": 24.99,
    "joinedAt": "2025-05-25T00:27:52Z",
    "orderIds": [1, 2],
    "tierId": "6a538edc",
    "firstName": "Ann",
    "lastName": None,
    "phoneNumber": "+1",
    "birthday": "1988-04-01",
    "notes": "",
    "status": "CANCELLED",
    "anonymized": False,
}
ENTRY = {"amount": 5, "createdAt": "2025-05-30T10:18:11.721Z", "newBalance": 5, "note": "n"}
BENEFIT = {
    "type": "REFERRALS",
    "creditAmount": 5,
    "countries": [{"label": "x", "value": "x"}],
    "enabled": True,
}
SUBSCRIPTION = {"id": "s", "topic": "customer.updated", "name": "n", "callbackUrl": "https://example.com"}
TIER = {"tierId": "6a538edc", "name": "FREE", "benefits": [BENEFIT]}
CAMPAIGN = {"name": "x", "collectionIds": ["1"], "endDate": "2025-06-30 07:00:00 +00:00"}
REPLIES: list[dict[str, Any]] = [
    {"message": "ok", "data": {"members": [MEMBER, MEMBER], "lastCustomerId": "42"}},
    {"message": "ok", "data": {"credits": [ENTRY], "lastCreditEntry": {"id": 1, "createdAt": "x"}}},
    {"message": "ok", "data": [SUBSCRIPTION]},
    {"message": "ok", "data": {"tiers": [TIER]}},
    {"message": "ok", "data": {"campaigns": [CAMPAIGN]}},
    {"message": "ok", "data": {"benefits": [BENEFIT]}},
    {"message": "ok", "data": MEMBER},
    {"message": "ok", "data": BENEFIT},
    {"message": "ok", "data": {"member": MEMBER}},
    {"success": False, "data": {}, "errors": ["x"]},
]

JUNK: list[Any] = [
    None, True, False, 0, -1, 1e400, 10**400, 0.1, "", "x", "\ud800", "\x00", "x" * 7000, [], {}, [[]], [None], {"a": {"b": []}},
    "NaN", "9" * 5000, "2025-99-99", "0001-01-01T00:00:00+23:59", {"id": "\ud800"}, "42", 42, "gid://shopify/Customer/42",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List every place in a JSON value."""
    found = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found += places(inner, (*path, number))
    return found


def mutated(value: Any, path: tuple[Any, ...], how: str, junk: Any) -> Any:
    """Return the value with one place changed."""
    if not path:
        return junk if how == "replace" else [value] if how == "array" else value
    value = dict(value) if isinstance(value, dict) else list(value)
    step, *rest = path
    if rest:
        value[step] = mutated(value[step], tuple(rest), how, junk)
    elif how == "missing":
        value.pop(step)
    elif how == "array":
        value[step] = [value[step]]
    elif how == "object":
        value[step] = {"0": value[step]}
    elif how == "case" and isinstance(value, dict):
        value[str(step).swapcase()] = value.pop(step)
    elif how == "extra" and isinstance(value, dict):
        value["extra" + str(step)] = junk
    else:
        value[step] = junk
    return value


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """Draw a documented reply with one to four things wrong with it."""
    reply: Any = draw(st.sampled_from(REPLIES))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(places(reply)))
        how = draw(st.sampled_from(["missing", "array", "object", "case", "extra", "replace"]))
        reply = mutated(reply, path, how, draw(st.sampled_from(JUNK)))
    return json.dumps(reply).encode()


STATUSES = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 404, 429, 500])
HEADERS = st.sampled_from([{}, {"retry-after": "soon"}, {"x-request-id": "r" * 9000}, {"date": "x"}])
NAMES = sorted(CASES)


def outcome_of(client: Client, name: str) -> Any:
    """Run an operation to its end; return its value or its error."""
    try:
        result = CASES[name].least(client)
        return [item for page in result.by_page() for item in page] if isinstance(result, Pages) else result
    except InveterateError as error:
        str(error), repr(error)
        return error


@settings(max_examples=400)
@given(content=replies(), status=STATUSES, headers=HEADERS, name=st.sampled_from(NAMES))
def test_every_outcome_is_typed(content: bytes, status: int, headers: dict[str, str], name: str) -> None:
    """A record, a page, rows or a receipt; or one of our errors. Never a bare exception."""
    with Script(httpx.Response(status, content=content, headers=headers)).client() as client:
        outcome = outcome_of(client, name)
    rows = outcome if isinstance(outcome, list | Page) else [outcome]
    for row in rows:
        assert isinstance(row, Record | Receipt | InveterateError)
        repr(row)
        if isinstance(row, Record):
            for field in type(row).model_fields:
                getattr(row, field)


@settings(max_examples=150)
@given(content=st.binary(max_size=60), status=STATUSES, name=st.sampled_from(NAMES))
def test_noise_has_a_typed_outcome(content: bytes, status: int, name: str) -> None:
    """Bytes that are not JSON."""
    with Script(httpx.Response(status, content=content)).client() as client:
        outcome = outcome_of(client, name)
    assert isinstance(outcome, list | Page | Record | Receipt | InveterateError)


@settings(max_examples=60)
@given(content=replies(), status=STATUSES, name=st.sampled_from(NAMES))
def test_both_clients_have_the_same_outcome(content: bytes, status: int, name: str) -> None:
    """The same value, or the same error, for the same bytes."""

    async def main() -> Any:
        async with Script(httpx.Response(status, content=content)).async_client() as client:
            try:
                result: Any = CASES[name].least(client)
                if hasattr(result, "by_page"):
                    return [item async for page in result.by_page() for item in page]
                return await result
            except InveterateError as error:
                return error

    with Script(httpx.Response(status, content=content)).client() as client:
        expected = outcome_of(client, name)
    actual = asyncio.run(main())
    assert type(actual) is type(expected)
    assert str(actual) == str(expected)
