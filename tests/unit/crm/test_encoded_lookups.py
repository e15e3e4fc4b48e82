"""An address with a plus sign, a quote or a blank reaches each provider as it is, decoded as a server decodes a query.

In a query, a plus sign that is not encoded means a blank: the look-up would miss the contact, and a second one be made.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qs

import httpx
import pytest
from relay.adapters.hubspot import Hubspot
from relay.adapters.klaviyo.client import JOBS
from relay.adapters.salesforce import Salesforce, SalesforceOrg

from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.salesforce_setup import CREDENTIALS, OBJECT
from tests.contract.crm.tokens import FixedToken
from tests.unit.crm.scripted_klaviyo import ScriptedKlaviyo, known

ADDRESSES: Final = (
    "a+b@example.com",
    "o'neil+x@example.com",
    'a"b\\c+d@example.com',
    "a&b=c%2b#d@exämple.com",
)
KEY: Final = key_of(7001)


def query(request: httpx.Request) -> dict[str, list[str]]:
    """Return a request's query as a server reads it: `+` is a blank there, and `%2B` a plus sign."""
    return parse_qs(request.url.query.decode("ascii"), strict_parsing=True)


@pytest.mark.parametrize("email", ADDRESSES)
def test_klaviyos_filter(email: str) -> None:
    """The filter has the address as a JSON text, and the profile that is found is written."""
    klaviyo = ScriptedKlaviyo(known=[known(KEY, email)])
    outcome = klaviyo.crm().upsert([wanted(7001, email=email)])[KEY]
    assert outcome.state == "mirrored"
    [search] = [request for request in klaviyo.asked if request.method == "GET"]
    assert query(search)["filter"] == [f"any(email,{json.dumps([email], ensure_ascii=False)})"]
    assert b"+" not in search.url.query
    [sent] = klaviyo.sent()
    assert sent["attributes"]["email"] == email


def test_klaviyos_next_page() -> None:
    """What a link to the next page has encoded stays encoded."""
    following = f"https://a.klaviyo.com{JOBS}/j/profiles?filter=equals(email%2C%22a%2Bb%40x.co%22)&page%5Bcursor%5D=x%2By%3D"
    klaviyo = ScriptedKlaviyo(
        (f"{JOBS}/j", 200, {"data": {"id": "j", "attributes": {"status": "complete"}}}),
        (f"{JOBS}/j/profiles", 200, {"data": [], "links": {"next": following}}),
    )
    klaviyo.crm().bulk.collect("j", [KEY])
    listing = [request for request in klaviyo.asked if request.url.path == f"{JOBS}/j/profiles"]
    assert query(listing[1]) == {"filter": ['equals(email,"a+b@x.co")'], "page[cursor]": ["x+y="]}


@pytest.mark.parametrize("email", ADDRESSES)
def test_hubspots_lookup(email: str) -> None:
    """An address is part of a body alone, as JSON: no path and no query has it."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        inputs: list[dict[str, Any]] = json.loads(request.content).get("inputs", [])
        if request.url.path.endswith("/batch/upsert"):
            message = "Contact already exists. Existing ID: 51"
            body = {"category": "CONFLICT", "correlationId": "x", "message": message}
            return httpx.Response(409, json=body)
        if request.url.path.endswith("/batch/read"):
            found = {"id": "51", "properties": {"email": email}}
            results = [found] if inputs[0]["id"] == "51" else []
            return httpx.Response(200, json={"status": "COMPLETE", "results": results})
        return httpx.Response(200, json={"id": "51"})

    crm = Hubspot("https://hub.example", FixedToken(), transport=httpx.MockTransport(answer))
    assert crm.upsert([wanted(7001, email=email)])[KEY].id == "51"
    for request in asked:
        assert b"example" not in request.url.raw_path
    [upsert, *_, patch] = asked
    assert json.loads(upsert.content)["inputs"][0]["properties"]["email"] == email
    assert json.loads(patch.content)["properties"]["email"] == email


@pytest.mark.parametrize("email", ADDRESSES)
def test_salesforces_query(email: str) -> None:
    """The query has the address as a text of SOQL, with its quotes and backslashes escaped."""
    queries: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "x", "instance_url": "https://crm.example"})
        if request.method == "GET":
            queries.extend(query(request)["q"])
            return httpx.Response(200, json={"records": [], "done": True})
        return httpx.Response(200, json=[{"id": "003", "success": True, "created": True, "errors": []}])

    transport = httpx.MockTransport(answer)
    crm = Salesforce(SalesforceOrg("https://crm.example", OBJECT), FixedToken(CREDENTIALS), transport)
    crm.upsert([wanted(7001, email=email)])
    escaped = email.replace("\\", "\\\\").replace("'", "\\'")
    assert any(f"'{escaped}'" in text for text in queries), queries
