"""Sessions with Salesforce, and the queries in them."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from relay.adapters.salesforce import SalesforceOrg
from relay.adapters.salesforce.query import literal
from relay.errors import MisconfiguredError
from relay.ports.crm import CrmOutcome

from tests.contract.crm.profiles import wanted
from tests.contract.crm.salesforce_setup import CREDENTIALS
from tests.contract.crm.tokens import FixedToken
from tests.unit.crm.scripted_salesforce import (
    ELSEWHERE,
    KEY,
    URL,
    error,
    org,
    scripted_salesforce,
)


@pytest.mark.parametrize(
    ("org", "setting"),
    [
        ({"object_name": "Contact WHERE"}, "SalesforceObject"),
        ({"object_name": "Opportunity"}, "SalesforceObject"),
        ({"version": "65"}, "SalesforceVersion"),
        ({"version": "../.."}, "SalesforceVersion"),
        ({"version": "30.0"}, "SalesforceVersion"),
    ],
)
def test_invalid_settings(org: dict[str, Any], setting: str) -> None:
    """A name that cannot be part of a path is rejected, and the setting is named."""
    with pytest.raises(MisconfiguredError) as caught:
        SalesforceOrg(URL, **org)
    assert caught.value.setting == setting


def test_the_exact_requests() -> None:
    """Credentials become a session, once; queries and writes go to the session's address, in the documented form."""
    asked: list[httpx.Request] = []
    crm = scripted_salesforce(org(asked))
    assert crm.upsert([wanted(tier_name="Gold")]) == {KEY: CrmOutcome(state="mirrored", id="003A", made=True)}
    login, by_email, by_key, write = asked
    assert str(login.url) == f"{URL}/services/oauth2/token"
    form = parse_qs(login.content.decode())
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["an-app"],
        "client_secret": ["its-secret"],
    }
    assert by_email.url.params["q"] == (
        "SELECT Id, Email, Membership_Key__c FROM Contact WHERE Email IN ('member-7001@example.com')"
    )
    assert by_key.url.params["q"].endswith(f"WHERE Membership_Key__c IN ('{KEY}')")
    assert (write.method, str(write.url)) == (
        "PATCH",
        f"{ELSEWHERE}/services/data/v65.0/composite/sobjects/Contact/Membership_Key__c",
    )
    assert write.headers["Authorization"] == "Bearer a-session"
    body = json.loads(write.content)
    assert body["allOrNone"] is False
    [record] = body["records"]
    assert record["attributes"] == {"type": "Contact"}
    assert record["Membership_Tier__c"] == "Gold"
    assert record["Membership_Cancelled_At__c"] is None
    assert record["LastName"] == "Member 7001"
    asked.clear()
    crm.upsert([wanted()])
    assert "oauth2" not in str(asked[0].url)


def test_a_session_that_ended_is_renewed_once() -> None:
    """A 401 costs only a new session; a second one means that the credentials are wrong."""
    ended = [1]

    def answer(request: httpx.Request) -> httpx.Response:
        if "composite" in request.url.path and ended[0]:
            ended[0] -= 1
            return error(401, "INVALID_SESSION_ID")
        return org()(request)

    assert scripted_salesforce(answer).upsert([wanted()])[KEY].state == "mirrored"
    ended[0] = 2
    secret = FixedToken(CREDENTIALS)
    outcome = scripted_salesforce(answer, secret).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, secret.forgotten) == ("unauthorised", "invalid_session_id", 1)


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (httpx.Response(400, json={"error": "invalid_client_id"}), "unauthorised", "invalid_client_id"),
        (httpx.Response(400, json={"error": "jane@example.com?"}), "retry", "no_session"),
        (httpx.Response(400, json={"error": "code_of_tomorrow"}), "retry", "no_session"),
        (httpx.Response(401, json={"error": "code_of_tomorrow"}), "unauthorised", "code_of_tomorrow"),
        (httpx.Response(429, json={"error": "too_many"}), "retry", "no_session"),
        (httpx.Response(400, json={"error": "unknown_error"}), "retry", "unknown_error"),
        (httpx.Response(500, json={"error": "invalid_client"}), "retry", "no_session"),
        (httpx.Response(301, headers={"Location": "https://else"}), "unauthorised", "http_301"),
        (httpx.Response(302, headers={"Location": "https://else"}), "retry", "no_session"),
        (httpx.Response(404), "unauthorised", "http_404"),
        (httpx.Response(410), "unauthorised", "http_410"),
        (httpx.Response(200, text="<html>Maintenance</html>"), "retry", "no_session"),
        (httpx.Response(200), "retry", "no_session"),
        (httpx.Response(200, json={"no": "token"}), "unauthorised", "http_200"),
        (httpx.Response(403, text="<html>"), "retry", "no_session"),
        (httpx.Response(503), "retry", "no_session"),
        (httpx.Response(429), "retry", "no_session"),
    ],
)
def test_no_session(reply: httpx.Response, state: str, reason: str) -> None:
    """Rejected credentials are to be corrected; a server that is down is a retry."""
    secret = FixedToken(CREDENTIALS)
    outcome = scripted_salesforce(lambda request: reply, secret).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.unanswered) == (state, reason, False)
    assert secret.forgotten == (state == "unauthorised" and not outcome.setting)
    assert outcome.setting == (
        "SalesforceUrl" if reason in {"http_301", "http_404", "http_410", "http_200"} else ""
    )


@pytest.mark.parametrize(
    ("path", "setting"), [("query", "SalesforceVersion"), ("Key__c", "SalesforceVersion")]
)
def test_a_path_that_is_not_there_is_the_versions(path: str, setting: str) -> None:
    """A version that does not exist yet, or has no such call, is no fault of the object: the query would name that one."""

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith(path):
            return org()(request)
        body = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
        return httpx.Response(404, json=body)

    outcome = scripted_salesforce(answer).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.setting) == ("unauthorised", "not_found", setting)


def test_an_object_that_is_not_there_is_the_objects() -> None:
    """Only its description has the object's name as a path."""

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("describe"):
            return org()(request)
        return httpx.Response(404, json=[{"errorCode": "NOT_FOUND", "message": "no"}])

    with pytest.raises(MisconfiguredError) as caught:
        scripted_salesforce(answer).ensure_schema(dry_run=True)
    assert caught.value.setting == "SalesforceObject"


@pytest.mark.parametrize("text", ["", "a-token", "[]", "7", '{"client_id": "x"}'])
def test_a_secret_without_credentials(text: str) -> None:
    """A secret of another form is named as such, and not quoted."""
    outcome = scripted_salesforce(org(), FixedToken(text)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("unauthorised", "secret_is_no_credentials")


def test_the_sessions_address_needs_tls() -> None:
    """A session address without TLS is ignored if ours has TLS."""
    asked: list[httpx.Request] = []
    scripted_salesforce(org(asked, instance="http://elsewhere.example")).upsert([wanted()])
    assert {request.url.host for request in asked} == {"acme.my.salesforce.example"}


def test_a_query_without_an_answer_changed_nothing() -> None:
    """Only a write can have taken effect without an answer."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "query" in request.url.path:
            raise httpx.ReadTimeout("no")
        return org()(request)

    outcome = scripted_salesforce(answer).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.unanswered) == ("retry", "timeout", False)


def test_literals() -> None:
    """A member chooses its e-mail address, and not our query."""
    assert literal("o'hara@example.com") == r"'o\'hara@example.com'"
    assert literal("x\\' OR Email LIKE '%") == r"'x\\\' OR Email LIKE \'%'"
    assert literal("a\nb\ud83e") == r"'a\nb?'"


def test_long_queries_are_split() -> None:
    """A query never grows beyond the length of an address, and all of its parts are read."""
    asked: list[httpx.Request] = []
    members = [wanted(n, email=f"{'x' * 200}{n}@example.com") for n in range(100)]
    scripted_salesforce(org(asked)).upsert(members)
    looks = [request for request in asked if "query" in request.url.path]
    assert len(looks) > 3
    assert max(len(str(request.url)) for request in looks) < 16_000
    assert sum(str(request.url).count("example.com") for request in looks) == 100


def test_queries_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The HTTP client would log each address, whose query names people."""
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    with caplog.at_level(logging.INFO):
        scripted_salesforce(org()).upsert([wanted()])
    assert "example.com" not in caplog.text
