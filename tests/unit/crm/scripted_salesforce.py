"""An org for unit tests: it notes what it is asked, and answers as it is told."""

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


def answering(answer: Answer, secret: FixedToken | None = None) -> Salesforce:
    """Return an adapter at an org that answers so."""
    return Salesforce(
        SalesforceOrg(URL), secret or FixedToken(CREDENTIALS), transport=httpx.MockTransport(answer)
    )


def org(asked: list[httpx.Request] | None = None, instance: str = ELSEWHERE) -> Answer:
    """Answer as an org without any contact, in which everything works."""

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
    """Answer every write as told: with results, or with a response of its own."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method != "PATCH":
            return org()(request)
        keys = [record["Membership_Key__c"] for record in json.loads(request.content)["records"]]
        told = results(keys)
        return told if isinstance(told, httpx.Response) else httpx.Response(200, json=told)

    return answering(answer)


def done() -> dict[str, Any]:
    """Return what an org says of a record that it wrote."""
    return {"id": "003A", "success": True, "created": True, "errors": []}


def error(status: int, code: str) -> httpx.Response:
    """Return a refusal of a whole call; its message quotes what nobody may repeat."""
    return httpx.Response(
        status, json=[{"message": "jane@example.com is bad", "errorCode": code, "fields": []}]
    )
