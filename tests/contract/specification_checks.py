"""Compares requests of the SDK with the specification, less the deviations of the overlay."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx
from inveterate import AsyncClient, AsyncPages, Client, Pages

from tests.contract.operation_cases import KEY, TIER
from tests.support.yaml_files import document

HERE = Path(__file__).parent / "specification"
SPEC: dict[str, Any] = document(HERE / "openapi.yaml")
OVERLAY: dict[str, Any] = document(HERE / "overlay.yaml")


def documented() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of every operation in the specification."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in SPEC["paths"].items()
        for method, operation in methods.items()
    }


DOCUMENTED = documented()


@dataclass
class Deviations:
    """The overlay's entries for one operation, and those that were used."""

    operation: str
    used: set[int] = field(default_factory=set)

    def allow(self, kind: str, name: str | None = None) -> bool:
        """Return whether the overlay allows it, and record that it was needed."""
        for number, entry in enumerate(OVERLAY["requests"]):
            if self.operation in entry["operations"] and kind in entry:
                allowed = entry[kind]
                if (
                    allowed is True
                    or name == allowed
                    or (isinstance(allowed, list | dict) and name in allowed)
                ):
                    self.used.add(number)
                    return True
        return False


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference."""
    if "$ref" in schema:
        *_, kind, name = schema["$ref"].split("/")
        found: dict[str, Any] = SPEC["components"][kind][name]
        return resolved(found)
    return schema


def parameters(operation: dict[str, Any], place: str) -> dict[str, dict[str, Any]]:
    """Return the documented parameters in a place, by name."""
    found = [resolved(parameter) for parameter in operation["parameters"]]
    return {parameter["name"]: parameter for parameter in found if parameter["in"] == place}


def record_of(request: httpx.Request) -> httpx.Response:
    """Reply with a record that fits every operation."""
    data: dict[str, object] = {
        "customerId": "42",
        "firstName": "A",
        "lastName": None,
        "phoneNumber": "+1",
        "tierId": TIER,
        "merchantId": "m",
        "type": "REFERRALS",
        "rows": [],
    }
    return httpx.Response(201 if request.method != "GET" else 200, json={"message": "ok", "data": data})


def sent(use: Callable[[Any], Any], method: str) -> httpx.Request:
    """Return the last request of a use of the synchronous client."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return record_of(request)

    with Client(KEY, transport=httpx.MockTransport(answer)) as client:
        result = use(client)
        if isinstance(result, Pages):
            next(result.by_page())
    assert requests[-1].method == method
    return requests[-1]


def sent_async(use: Callable[[Any], Any]) -> httpx.Request:
    """Return the last request of a use of the asyncio client."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return record_of(request)

    async def main() -> None:
        async with AsyncClient(KEY, transport=httpx.MockTransport(answer)) as client:
            result = use(client)
            if isinstance(result, AsyncPages):
                async for _ in result.by_page():
                    break
            else:
                await result

    asyncio.run(main())
    return requests[-1]


def type_problems(value: object, schema: dict[str, Any]) -> bool:
    """Return whether a JSON value has none of the documented types."""
    kinds: dict[str, Any] = {
        "string": str,
        "number": (int, float),
        "boolean": bool,
        "array": list,
        "object": dict,
    }
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return not any(
        value is None
        if name == "null"
        else isinstance(value, kinds[name]) and (name == "boolean" or value is not True)
        for name in names
    )


def problems(
    operation_id: str, request: httpx.Request, path: tuple[str, ...], deviations: Deviations
) -> Iterator[str]:
    """Compare a request with the specification; yield each difference."""
    _, template, operation = DOCUMENTED[operation_id]
    expected = re.sub(r"\{\w+\}", "{}", template).format(*(quote(value, safe="") for value in path))
    raw_path, _, raw_query = request.url.raw_path.decode().partition("?")
    if raw_path != expected:
        yield f"path {raw_path}, not {expected}"
    yield from _query_problems(
        operation, dict(parse_qsl(raw_query, strict_parsing=bool(raw_query))), deviations
    )
    header = "X-Inveterate-Api-Key"
    if request.headers.get(header) != KEY:
        yield "no key"
    elif header not in parameters(operation, "header") and not deviations.allow("extra_header", header):
        yield "a header that is not documented"
    body = json.loads(request.content) if request.content else None
    yield from _body_problems(operation, body, deviations)
    if body is not None and request.headers.get("Content-Type") != "application/json":
        yield "a body without its type"


def _query_problems(
    operation: dict[str, Any], query: dict[str, str], deviations: Deviations
) -> Iterator[str]:
    known = parameters(operation, "query")
    for name, parameter in known.items():
        if parameter["required"] and name not in query and not deviations.allow("optional_query", name):
            yield f"query lacks {name}"
    for name, value in query.items():
        if name not in known:
            yield f"query has {name}"
        elif known[name]["schema"]["type"] == "number" and not value.isdigit():
            yield f"query {name} is no number"
        elif known[name]["schema"]["type"] == "boolean" and value not in {"true", "false"}:
            yield f"query {name} is no truth value"


def _body_problems(operation: dict[str, Any], body: Any, deviations: Deviations) -> Iterator[str]:
    if "requestBody" not in operation:
        known: dict[str, Any] = {}
        required: list[str] = []
    else:
        schema = resolved(operation["requestBody"]["content"]["application/json"]["schema"])
        known, required = _fields(schema, deviations)
        if not isinstance(body, dict):
            yield "no body"
    for name in required:
        if name not in (body or ()) and not deviations.allow("optional_body", name):
            yield f"body lacks {name}"
    for name, value in (body or {}).items():
        yield from _field_problems(name, value, known, deviations)


def _field_problems(name: str, value: Any, known: dict[str, Any], deviations: Deviations) -> Iterator[str]:
    if (name not in known or name == "type") and not deviations.allow("extra_body", name):
        yield f"body has {name}"
    elif value is None and not deviations.allow("nullable_body", name):
        yield f"body has null for {name}"
    elif value is not None and name in known and type_problems(value, known[name]):
        yield f"body has a wrong type for {name}"


def _fields(schema: dict[str, Any], deviations: Deviations) -> tuple[dict[str, Any], list[str]]:
    """Return the documented and the required fields of a body."""
    if "anyOf" not in schema:
        return schema["properties"], schema["required"]
    choices = [resolved(choice) for choice in schema["anyOf"]]
    known = {name: value for choice in choices for name, value in choice["properties"].items()}
    return known, [] if deviations.allow("partial_body") else ["a whole benefit"]
