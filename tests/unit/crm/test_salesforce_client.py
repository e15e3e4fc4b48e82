"""Sessions with Salesforce, and the questions that are asked in them."""

from __future__ import annotations

import json
import logging
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
    answering,
    error,
    org,
)


@pytest.mark.parametrize(
    ("org", "setting"),
    [
        ({"object_name": "Contact WHERE"}, "SALESFORCE_OBJECT"),
        ({"object_name": "Opportunity"}, "SALESFORCE_OBJECT"),
        ({"version": "65"}, "SALESFORCE_VERSION"),
        ({"version": "../.."}, "SALESFORCE_VERSION"),
    ],
)
def test_settings_that_are_none(org: dict[str, str], setting: str) -> None:
    """What could not be part of a path is refused, and the setting is named."""
    with pytest.raises(MisconfiguredError) as caught:
        SalesforceOrg(URL, **org)
    assert caught.value.setting == setting


def test_the_conversation() -> None:
    """Credentials become a session, once; a look, and a write, go where the session says, in the documented form."""
    asked: list[httpx.Request] = []
    crm = answering(org(asked))
    assert crm.upsert([wanted(tier_name="Gold")]) == {KEY: CrmOutcome(state="mirrored", id="003A")}
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
    """A 401 costs a new session and nothing else; a second one is a matter of the credentials."""
    ended = [1]

    def answer(request: httpx.Request) -> httpx.Response:
        if "composite" in request.url.path and ended[0]:
            ended[0] -= 1
            return error(401, "INVALID_SESSION_ID")
        return org()(request)

    assert answering(answer).upsert([wanted()])[KEY].state == "mirrored"
    ended[0] = 2
    secret = FixedToken(CREDENTIALS)
    outcome = answering(answer, secret).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, secret.forgotten) == ("unauthorised", "invalid_session_id", 1)


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (httpx.Response(400, json={"error": "invalid_client_id"}), "unauthorised", "invalid_client_id"),
        (httpx.Response(400, json={"error": "jane@example.com?"}), "unauthorised", "http_400"),
        (httpx.Response(301, headers={"Location": "https://else"}), "unauthorised", "http_301"),
        (httpx.Response(404), "unauthorised", "http_404"),
        (httpx.Response(200, json={"no": "token"}), "unauthorised", "http_200"),
        (httpx.Response(503), "retry", "no_session"),
        (httpx.Response(429), "retry", "no_session"),
    ],
)
def test_no_session(reply: httpx.Response, state: str, reason: str) -> None:
    """Credentials that are refused are a person's to mend; a server that is down is waited for."""
    secret = FixedToken(CREDENTIALS)
    outcome = answering(lambda request: reply, secret).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.unanswered) == (state, reason, False)
    assert secret.forgotten == (state == "unauthorised")


@pytest.mark.parametrize("text", ["", "a-token", "[]", "7", '{"client_id": "x"}'])
def test_a_secret_that_is_no_credentials(text: str) -> None:
    """A secret of another form is named as such, and not quoted."""
    outcome = answering(org(), FixedToken(text)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("unauthorised", "secret_is_no_credentials")


def test_the_session_is_used_where_it_is_safe() -> None:
    """An address without TLS is not believed where ours has it."""
    asked: list[httpx.Request] = []
    answering(org(asked, instance="http://elsewhere.example")).upsert([wanted()])
    assert {request.url.host for request in asked} == {"acme.my.salesforce.example"}


def test_a_look_without_an_answer_has_changed_nothing() -> None:
    """Only a write may have been done without our knowing."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "query" in request.url.path:
            raise httpx.ReadTimeout("no")
        return org()(request)

    outcome = answering(answer).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.unanswered) == ("retry", "timeout", False)


def test_literals() -> None:
    """A member chooses its e-mail address, and not our question."""
    assert literal("o'hara@example.com") == r"'o\'hara@example.com'"
    assert literal("x\\' OR Email LIKE '%") == r"'x\\\' OR Email LIKE \'%'"
    assert literal("a\nb\ud83e") == r"'a\nb?'"


def test_long_looks_are_split() -> None:
    """A question never grows beyond what fits into an address, and all of its parts are read."""
    asked: list[httpx.Request] = []
    members = [wanted(n, email=f"{'x' * 200}{n}@example.com") for n in range(100)]
    answering(org(asked)).upsert(members)
    looks = [request for request in asked if "query" in request.url.path]
    assert len(looks) > 3
    assert max(len(str(request.url)) for request in looks) < 16_000
    assert sum(str(request.url).count("example.com") for request in looks) == 100


def test_questions_leave_no_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The HTTP client would log each address, in which a question names people."""
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    with caplog.at_level(logging.INFO):
        answering(org()).upsert([wanted()])
    assert "example.com" not in caplog.text
