"""No request to a CRM leaves a name or an address in the logs, whatever level Lambda sets."""

from __future__ import annotations

import logging

import httpx
import pytest
from relay.adapters.hubspot import Hubspot
from relay.adapters.klaviyo import Klaviyo
from relay.adapters.salesforce import Salesforce, SalesforceOrg
from relay.adapters.webhook import Webhook
from relay.ports.crm import Crm

from tests.contract.crm.profiles import wanted
from tests.contract.crm.tokens import FixedToken


def _answer(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"data": [], "access_token": "t"})


_NETWORK = httpx.MockTransport(_answer)


@pytest.mark.parametrize(
    "crm",
    [
        Hubspot("https://crm.example", FixedToken(), transport=_NETWORK),
        Klaviyo("https://crm.example", FixedToken(), transport=_NETWORK),
        Salesforce(SalesforceOrg("https://crm.example"), FixedToken(), _NETWORK),
        Webhook("https://crm.example/secret-path", FixedToken(), _NETWORK),
    ],
    ids=lambda crm: crm.name,
)
def test_requests_are_not_logged(crm: Crm, caplog: pytest.LogCaptureFixture) -> None:
    """Httpx would log each request's address at INFO: Klaviyo's and Salesforce's questions have e-mail addresses in it."""
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.NOTSET)
    caplog.set_level(logging.INFO)  # as `ApplicationLogLevel: INFO` does in Lambda
    crm.upsert([wanted()])
    assert caplog.text == ""
