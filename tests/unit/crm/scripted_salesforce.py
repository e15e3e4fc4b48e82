"""A scripted org for unit tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from relay.adapters.salesforce import Salesforce, SalesforceOrg

from tests.contract.crm.profiles import key_of
from tests.contract.crm.salesforce_setup import CREDENTIALS
from tests.contract.crm.tokens import FixedToken

KEY = key_of(7001)
URL = "https://acme.my.salesforce.example"
ELSEWHERE = "https://acme--7.sandbox.salesforce.example"

Answer = Callable[[httpx.Request], httpx.Response]


def scripted_salesforce(answer: Answer, secret: FixedToken | None = None) -> Salesforce:
    """Return an adapter whose org answers every request with `answer`."""
    return Salesforce(
        SalesforceOrg(URL), secret or FixedToken(CREDENTIALS), transport=httpx.MockTransport(answer)
    )


def org(asked: list[httpx.Request] | None = None, instance: str = ELSEWHERE) -> Answer:
    """Return the answers of an org without contacts, in which every call succeeds; requests are added to `asked`."""

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "a-session", "instance_url": instance})
        if "query" in request.url.path:
            return httpx.Response(200, json={"totalSize": 0, "done": True, "records": []})
        return httpx.Response(200, json=[done() for _ in json.loads(request.content)["records"]])

    return answer


def writing(results: Callable[[list[str]], Any]) -> Salesforce:
    """Return an adapter whose org answers every write with `results`, which may be a whole response."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method != "PATCH":
            return org()(request)
        keys = [record["Membership_Key__c"] for record in json.loads(request.content)["records"]]
        result = results(keys)
        return result if isinstance(result, httpx.Response) else httpx.Response(200, json=result)

    return scripted_salesforce(answer)


def done() -> dict[str, Any]:
    """Return an org's result of a record that it wrote."""
    return {"id": "003A", "success": True, "created": True, "errors": []}


def error(status: int, code: str) -> httpx.Response:
    """Return a refusal of a whole call; its message quotes a value."""
    return httpx.Response(
        status, json=[{"message": "jane@example.com is bad", "errorCode": code, "fields": []}]
    )
