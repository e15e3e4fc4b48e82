"""A look-up that tells nothing is no sign that there is nothing: after an erasure, a contact would keep the person."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import httpx
import pytest
from relay.adapters.hubspot import Hubspot
from relay.adapters.klaviyo import Klaviyo
from relay.adapters.salesforce import Salesforce, SalesforceOrg
from relay.errors import MisconfiguredError, TransientError
from relay.ports.crm import ContactRef, Crm

from tests.contract.crm.profiles import key_of
from tests.contract.crm.salesforce_setup import CREDENTIALS, OBJECT
from tests.contract.crm.tokens import FixedToken

URL: Final = "https://crm.example"
KEY: Final = key_of(7001)
CONTACTS: Final = (
    ContactRef(key=KEY, id="51", email="member@example.com"),
    ContactRef(key=KEY, email="member@example.com"),
    ContactRef(key=KEY, id="51", email="member@example.com", previous=True),
    ContactRef(key=KEY, id="51", email="member@example.com", made=True, erased="clear"),
)


def _salesforce(transport: httpx.BaseTransport) -> Crm:
    return Salesforce(SalesforceOrg(URL, OBJECT), FixedToken(CREDENTIALS), transport)


CRMS: Final[dict[str, Callable[[httpx.BaseTransport], Crm]]] = {
    "hubspot": lambda transport: Hubspot(URL, FixedToken(), transport=transport),
    "klaviyo": lambda transport: Klaviyo(URL, FixedToken("pk_x"), transport=transport),
    "salesforce": _salesforce,
}
REFUSALS: Final = {
    "hubspot": {"category": "LIMIT_EXCEEDED", "correlationId": "x", "message": "no"},
    "klaviyo": {"errors": [{"code": "limit_exceeded", "title": "no"}]},
    "salesforce": [{"errorCode": "LIMIT_OF_TOMORROW", "message": "no"}],
}


def _crm(name: str, status: int, content: bytes) -> Crm:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "x", "instance_url": URL})
        return httpx.Response(status, content=content)

    return CRMS[name](httpx.MockTransport(answer))


@pytest.mark.parametrize("contact", CONTACTS)
@pytest.mark.parametrize(
    ("status", "content"),
    [(200, b""), (200, b"{}"), (200, b"[]"), (200, b'"ok"'), (204, b""), (207, b'{"status": "COMPLETE"}')],
)
@pytest.mark.parametrize("name", CRMS)
def test_a_success_without_a_list(name: str, status: int, content: bytes, contact: ContactRef) -> None:
    """An empty body, or JSON of another shape, is tried again; nothing passes for cleared or for missing."""
    crm = _crm(name, status, content)
    assert crm.clear([contact])[KEY].state == "retry"
    with pytest.raises(TransientError):
        crm.read([contact])


@pytest.mark.parametrize("contact", CONTACTS)
@pytest.mark.parametrize("name", CRMS)
def test_a_refused_lookup(name: str, contact: ContactRef) -> None:
    """A lasting refusal to search is named, and nothing passes for cleared or for missing."""
    crm = _crm(name, 400, json.dumps(REFUSALS[name]).encode())
    assert crm.clear([contact])[KEY].state in {"waiting", "retry"}
    with pytest.raises((TransientError, MisconfiguredError)):
        crm.read([contact])


def test_an_address_that_klaviyo_does_not_search_for() -> None:
    """No profile can have an address that Klaviyo calls invalid: there is nothing to clear."""
    body = {"errors": [{"code": "invalid", "source": {"parameter": "filter"}}]}

    def answer(request: httpx.Request) -> httpx.Response:
        if "member@c" in str(request.url.params["filter"]):
            return httpx.Response(400, json=body)
        return httpx.Response(200, json={"data": []})

    crm = CRMS["klaviyo"](httpx.MockTransport(answer))
    assert crm.clear([ContactRef(key=KEY, email="member@c")])[KEY].state == "skipped"


@pytest.mark.parametrize("contact", CONTACTS)
def test_a_search_that_klaviyo_always_refuses(contact: ContactRef) -> None:
    """It says nothing of the contact: nothing passes for cleared."""
    body = {"errors": [{"code": "invalid", "source": {"parameter": "filter"}}]}
    crm = _crm("klaviyo", 400, json.dumps(body).encode())
    assert crm.clear([contact])[KEY].state == "waiting"
