"""Salesforce's names, its notation of values, its sessions and questions, and what its answers mean."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from relay.adapters.salesforce import Org, Salesforce
from relay.adapters.salesforce.mapping import cut, decode, definitions, encode, fields_of, names
from relay.adapters.salesforce.query import literal
from relay.canonical import CANONICAL
from relay.errors import MisconfiguredError, TransientError
from relay.fields import Value
from relay.ports.crm import Home, Outcome

from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.salesforce import CREDENTIALS
from tests.contract.crm.tokens import FixedToken

KEY = key_of(7001)
URL = "https://acme.my.salesforce.example"
ELSEWHERE = "https://acme--7.sandbox.salesforce.example"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("tier_name", None, None),
        ("tier_name", "", None),
        ("high_value", None, False),
        ("high_value", True, True),
        ("failed_attempts", 3, 3),
        ("credit_balance", Decimal("24.90"), 24.9),
        ("credit_balance", Decimal("99999999999.99"), 99999999999.99),
        ("next_payment_on", date(2026, 2, 5), "2026-02-05"),
        (
            "joined_at",
            datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=2))),
            "2026-11-22T08:00:00.000Z",
        ),
        ("tier_name", "half \ud83e", "half ?"),
        ("tier_id", "t" * 70, "t" * 64),
        ("cancel_reason", "x" * 300, "x" * 255),
    ],
)
def test_notation(name: str, value: Value, told: object) -> None:
    """Values are JSON's own; null clears, a box that is not known is not ticked, a text is cut to its field."""
    assert encode(name, value) == told


def test_a_text_is_cut_between_characters() -> None:
    """A character outside the basic plane counts twice, and is never halved."""
    assert cut("ab🥇c", 3) == "ab"
    assert cut("ab🥇c", 4) == "ab🥇"


@pytest.mark.parametrize(
    ("name", "held", "text"),
    [
        ("credit_balance", Decimal("9.0"), "9"),
        ("credit_balance", 0, "0"),
        ("joined_at", "2026-11-22T10:00:00.000+0000", "2026-11-22T10:00:00.000Z"),
        ("joined_at", "some day", "some day"),
        ("high_value", False, None),
        ("high_value", True, "true"),
        ("tier_name", None, None),
    ],
)
def test_what_is_read(name: str, held: object, text: str | None) -> None:
    """What Salesforce answers is written as we would have told it."""
    assert decode(name, held) == text


def test_names_are_the_contract() -> None:
    """The names that differ from the rule are those agreed with merchants; the e-mail's is the object's own."""
    ours = names("Contact")
    assert ours["key"] == "Membership_Key__c"
    assert ours["shopify_customer_id"] == "Membership_Shopify_Id__c"
    assert ours["tier_name"] == "Membership_Tier__c"
    assert ours["tier_id"] == "Membership_Tier_Id__c"
    assert ours["fee_amount"] == "Membership_Fee__c"
    assert ours["next_payment_on"] == "Membership_Next_Payment_On__c"
    assert ours["credits_earned_total"] == "Membership_Credits_Earned__c"
    assert (ours["email"], names("Account")["email"], names("Member__c")["email"]) == (
        "Email",
        "PersonEmail",
        "Membership_Email__c",
    )
    assert len(set(ours.values())) == len(CANONICAL)
    assert all(
        name.startswith("Membership_") and name.endswith("__c") for name in set(ours.values()) - {"Email"}
    )


def test_definitions() -> None:
    """Each field of ours is defined with Salesforce's types and lengths; the key alone is an external id."""
    defined = {each.name: each for each in definitions("Contact")}
    assert defined.keys() == set(names("Contact").values()) - {"Email"}
    assert [name for name, each in defined.items() if each.external_id] == ["Membership_Key__c"]
    assert all(
        len(name.removesuffix("__c")) <= 40 and len(each.label) <= 40 for name, each in defined.items()
    )
    kinds = {name: (each.type, each.length, each.digits, each.decimals) for name, each in defined.items()}
    assert kinds["Membership_Key__c"] == ("Text", 255, 0, 0)
    assert kinds["Membership_Shopify_Id__c"] == ("Text", 32, 0, 0)
    assert kinds["Membership_Status__c"] == ("Picklist", 0, 0, 0)
    assert kinds["Membership_Credit_Balance__c"] == ("Number", 0, 16, 2)
    assert kinds["Membership_Failed_Attempts__c"] == ("Number", 0, 3, 0)
    assert kinds["Membership_Rejoin_Count__c"] == ("Number", 0, 6, 0)
    assert kinds["Membership_Referrals_Count__c"] == ("Number", 0, 9, 0)
    assert kinds["Membership_Next_Payment_On__c"] == ("Date", 0, 0, 0)
    assert kinds["Membership_High_Value__c"] == ("Checkbox", 0, 0, 0)
    assert {each.name: each.type for each in definitions("Member__c")}["Membership_Email__c"] == "Email"


def test_names_and_consent_are_the_merchants() -> None:
    """A write says nothing of a person's name, phone or consent."""
    assert {name for name in fields_of(wanted(), "Contact") if not name.startswith("Membership_")} == {
        "Email"
    }


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
        Org(URL, **org)
    assert caught.value.setting == setting


# ------------------------------------------------------------------ sessions and questions


def test_the_conversation() -> None:
    """Credentials become a session, once; a look, and a write, go where the session says, in the documented form."""
    asked: list[httpx.Request] = []
    crm = _answering(_org(asked))
    assert crm.upsert([wanted(tier_name="Gold")]) == {KEY: Outcome(state="mirrored", id="003A")}
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
            return _error(401, "INVALID_SESSION_ID")
        return _org()(request)

    assert _answering(answer).upsert([wanted()])[KEY].state == "mirrored"
    ended[0] = 2
    secret = FixedToken(CREDENTIALS)
    outcome = _answering(answer, secret).upsert([wanted()])[KEY]
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
    outcome = _answering(lambda request: reply, secret).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.unanswered) == (state, reason, False)
    assert secret.forgotten == (state == "unauthorised")


@pytest.mark.parametrize("text", ["", "a-token", "[]", "7", '{"client_id": "x"}'])
def test_a_secret_that_is_no_credentials(text: str) -> None:
    """A secret of another form is named as such, and not quoted."""
    outcome = _answering(_org(), FixedToken(text)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("unauthorised", "secret_is_no_credentials")


def test_the_session_is_used_where_it_is_safe() -> None:
    """An address without TLS is not believed where ours has it."""
    asked: list[httpx.Request] = []
    _answering(_org(asked, instance="http://elsewhere.example")).upsert([wanted()])
    assert {request.url.host for request in asked} == {"acme.my.salesforce.example"}


def test_a_look_without_an_answer_has_changed_nothing() -> None:
    """Only a write may have been done without our knowing."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "query" in request.url.path:
            raise httpx.ReadTimeout("no")
        return _org()(request)

    outcome = _answering(answer).upsert([wanted()])[KEY]
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
    _answering(_org(asked)).upsert(members)
    looks = [request for request in asked if "query" in request.url.path]
    assert len(looks) > 3
    assert max(len(str(request.url)) for request in looks) < 16_000
    assert sum(str(request.url).count("example.com") for request in looks) == 100


def test_questions_leave_no_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The HTTP client would log each address, in which a question names people."""
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    with caplog.at_level(logging.INFO):
        _answering(_org()).upsert([wanted()])
    assert "example.com" not in caplog.text


# ------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("word", ["errorCode", "statusCode"])
@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        ("UNABLE_TO_LOCK_ROW", "retry", "unable_to_lock_row"),
        ("SERVER_UNAVAILABLE", "retry", "server_unavailable"),
        ("DUPLICATES_DETECTED", "refused", "duplicates_detected"),
        ("REQUIRED_FIELD_MISSING", "refused", "required_field_missing"),
        ("MALFORMED_ID", "refused", "malformed_id"),
        ("DUPLICATE_EXTERNAL_ID", "refused", "identity_conflict"),
        ("DUPLICATE_VALUE", "refused", "identity_conflict"),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", "unauthorised", "unknown_property"),
        ("jane@example.com", "refused", "no_reason"),
    ],
)
def test_one_records_error(word: str, code: str, state: str, reason: str) -> None:
    """What is told of one record, in either spelling, is that member's; its reason is a code and never a message."""
    error = {word: code, "message": "jane@example.com is bad", "fields": []}
    outcome = _writing(lambda keys: [{"success": False, "errors": [error]} for _ in keys]).upsert([wanted()])
    assert (outcome[KEY].state, outcome[KEY].reason) == (state, reason)


def test_a_locked_row_is_that_members_own_matter() -> None:
    """It says nothing of the others, so they are not kept from Salesforce for it."""
    error = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": ""}
    crm = _writing(lambda keys: [{"success": False, "errors": [error]} for _ in keys])
    assert crm.upsert([wanted()])[KEY] == Outcome(
        state="retry", reason="unable_to_lock_row", retry_after=5.0, alone=True
    )


@pytest.mark.parametrize(
    ("status", "code", "state", "reason", "wait"),
    [
        (403, "REQUEST_LIMIT_EXCEEDED", "retry", "request_limit_exceeded", 900.0),
        (403, "API_DISABLED_FOR_ORG", "unauthorised", "api_disabled_for_org", None),
        (404, "NOT_FOUND", "unauthorised", "not_found", None),
        (400, "INVALID_FIELD", "unauthorised", "unknown_property", None),
        (400, "INVALID_TYPE", "unauthorised", "unknown_object", None),
        (400, "JSON_PARSER_ERROR", "refused", "json_parser_error", None),
        (300, "", "refused", "identity_conflict", None),
        (503, "SERVER_UNAVAILABLE", "retry", "server_unavailable", 30.0),
        (500, "UNKNOWN_EXCEPTION", "retry", "unknown_exception", None),
        (302, "", "retry", "http_302", None),
        (477, "", "retry", "http_477", None),
    ],
)
def test_a_write_that_is_refused_as_a_whole(
    status: int, code: str, state: str, reason: str, wait: float | None
) -> None:
    """What concerns everybody closes the door; what only one could cause is that one's, when it is alone."""
    outcome = _writing(lambda keys: _error(status, code)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.retry_after) == (state, reason, wait)


def test_a_fault_that_names_nobody_is_found_by_halving() -> None:
    """A call that is refused as a whole is made in halves: the one at fault is refused, all others arrive."""
    bad = key_of(5)
    crm = _writing(lambda keys: _error(400, "JSON_PARSER_ERROR") if bad in keys else [_done() for _ in keys])
    outcomes = crm.upsert([wanted(number) for number in range(9)])
    assert [key for key, outcome in outcomes.items() if outcome.state == "refused"] == [bad]
    assert sum(outcome.state == "mirrored" for outcome in outcomes.values()) == 8


@pytest.mark.parametrize("results", [None, {}, [], [{}], [{"success": True, "id": ""}], [7], [{}, {}, {}]])
def test_an_odd_success_is_none(results: Any) -> None:
    """A success that does not name each record is not believed."""
    outcomes = _writing(lambda keys: results).upsert([wanted()])
    assert outcomes[KEY].state == "refused"


def test_what_was_written_before_the_door_closed_counts() -> None:
    """One record that lacks a field of ours waits with all; those that were written are mirrored."""
    hidden = {"success": False, "errors": [{"statusCode": "INVALID_FIELD"}]}
    crm = _writing(lambda keys: [_done() if key == KEY else hidden for key in keys])
    outcomes = crm.upsert([wanted(7001), wanted(7002)])
    assert outcomes[KEY].state == "mirrored"
    assert outcomes[key_of(7002)] == Outcome(state="unauthorised", reason="unknown_property")


def test_errors_of_the_port() -> None:
    """Reading and checking raise what the port promises."""
    crm = _answering(lambda request: httpx.Response(400, json={"error": "invalid_client"}))
    with pytest.raises(MisconfiguredError) as caught:
        crm.check()
    assert caught.value.setting == "SALESFORCE_SECRET"
    down = _answering(lambda request: httpx.Response(503))
    for call in (down.check, lambda: down.read([Home(key=KEY)]), down.ensure_schema):
        with pytest.raises(TransientError):
            call()


Answer = Callable[[httpx.Request], httpx.Response]


def _answering(answer: Answer, secret: FixedToken | None = None) -> Salesforce:
    return Salesforce(Org(URL), secret or FixedToken(CREDENTIALS), transport=httpx.MockTransport(answer))


def _org(asked: list[httpx.Request] | None = None, instance: str = ELSEWHERE) -> Answer:
    """Answer as an org without any contact, in which everything works."""

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "a-session", "instance_url": instance})
        if "query" in request.url.path:
            return httpx.Response(200, json={"totalSize": 0, "done": True, "records": []})
        return httpx.Response(200, json=[_done() for _ in json.loads(request.content)["records"]])

    return answer


def _writing(results: Callable[[list[str]], Any]) -> Salesforce:
    """Answer every write as told: with results, or with a response of its own."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method != "PATCH":
            return _org()(request)
        keys = [record["Membership_Key__c"] for record in json.loads(request.content)["records"]]
        told = results(keys)
        return told if isinstance(told, httpx.Response) else httpx.Response(200, json=told)

    return _answering(answer)


def _done() -> dict[str, Any]:
    return {"id": "003A", "success": True, "created": True, "errors": []}


def _error(status: int, code: str) -> httpx.Response:
    return httpx.Response(
        status, json=[{"message": "jane@example.com is bad", "errorCode": code, "fields": []}]
    )
