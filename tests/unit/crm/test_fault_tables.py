"""Each row of each provider's table of answers: what an answer with its code blames, and the page that says so."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
import pytest
from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.faults import PAGERDUTY, SLACK, SLACK_HOOK
from relay.adapters.channels.pagerduty import PagerDutyChannel
from relay.adapters.channels.slack import SlackChannel
from relay.adapters.fault_table import Fault, FaultTable
from relay.adapters.hubspot.faults import FAULTS as HUBSPOT
from relay.adapters.klaviyo.faults import FAULTS as KLAVIYO
from relay.adapters.salesforce.faults import FAULTS as SALESFORCE
from relay.adapters.webhook.faults import FAULTS as WEBHOOK
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.ports.alerts import Notification
from relay.ports.crm import CrmOutcome

from tests.contract.crm.profiles import key_of, wanted
from tests.support.aws.boto_manner import boto_manner
from tests.support.incident_builders import MIA, alert_message
from tests.unit.crm.scripted_hubspot import KEY, scripted_hubspot
from tests.unit.crm.scripted_klaviyo import MEMBER, ScriptedKlaviyo
from tests.unit.crm.scripted_salesforce import scripted_salesforce, writing
from tests.unit.crm.scripted_webhook import scripted_webhook

TABLES: Final[dict[str, FaultTable]] = {
    "hubspot": HUBSPOT,
    "klaviyo": KLAVIYO,
    "salesforce": SALESFORCE,
    "webhook": WEBHOOK,
    "slack": SLACK,
    "slack_hook": SLACK_HOOK,
    "pagerduty": PAGERDUTY,
}
PAGE: Final = "<html><title>403 Forbidden</title>Mia Keller</html>"
STATES: Final = {
    "later": "retry",
    "waits": "waiting",
    "member": "refused",
    "setting": "unauthorised",
    "definition": "waiting",
}
RECORD_ONLY: Final = {"owned_by_other", "contact_deleted", "identity_conflict", "edge"}
"""Rows of Relay's own words, or of an answer without a code: shown by tests of their own."""


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_its_source_and_its_setting(table: str) -> None:
    """A row without a source is a guess; one that blames a setting other than the credential has its name in the stack."""
    for code, fault in TABLES[table].items():
        assert fault.source.startswith(("https://", "ours:", "an answer without")), code
        assert code == code.lower()
        assert fault.setting in {"", *SETTINGS}, code


SETTINGS: Final = (
    "HubSpotVersion",
    "KlaviyoRevision",
    "SalesforceObject",
    "SalesforceUrl",
    "SalesforceVersion",
    "WebhookUrl",
    "SlackSecret",
    "SlackChannel",
    "SlackUrl",
    "PagerDutySecret",
    "PagerDutyUrl",
)


def _status(code: str, otherwise: int) -> int:
    return int(code.removeprefix("http_")) if code.startswith("http_") else otherwise


def _rows(table: FaultTable) -> list[Any]:
    return [pytest.param(code, fault, id=code) for code, fault in table.items() if code not in RECORD_ONLY]


def _is_as_in_its_row(outcome: CrmOutcome, fault: Fault) -> bool:
    return (outcome.state, outcome.setting) == (STATES[fault.blames], fault.setting)


@pytest.mark.parametrize(("code", "fault"), _rows(HUBSPOT))
def test_hubspot(code: str, fault: Fault) -> None:
    """HubSpot's category or a record's code, or the status alone."""
    usual = {"later": 429, "setting": 403}.get(fault.blames, 400)
    status = _status(code, usual)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"results": []})
        if request.url.path.endswith(("groups", "batch/create")):
            return httpx.Response(201, json={})
        named = [] if code.startswith("http_") or status != 400 else [{"code": code.upper()}]
        category = code.upper() if not code.startswith("http_") else ""
        return httpx.Response(status, json={"category": category, "correlationId": "x", "errors": named})

    outcome = scripted_hubspot(answer).upsert([wanted()])[KEY]
    assert _is_as_in_its_row(outcome, fault), outcome


@pytest.mark.parametrize(("code", "fault"), _rows(KLAVIYO))
def test_klaviyo(code: str, fault: Fault) -> None:
    """Klaviyo's code and its place in the request, or the status alone."""
    name, _, pointer = code.partition(" ")
    status = _status(name, {"later": 429, "setting": 403}.get(fault.blames, 400))
    error: dict[str, Any] = {"code": "" if name.startswith("http_") else name}
    error |= {"source": {"pointer": pointer}} if pointer else {}
    if name == "invalid_revision":
        error, status = {"code": "invalid", "source": {"header": "revision"}}, 400
    path = "/api/profiles" if status == 404 else "/api/profile-import"
    klaviyo = ScriptedKlaviyo(*[(path, status, {"errors": [error]})] * 2)
    outcome = klaviyo.crm().upsert([wanted()])[MEMBER]
    assert _is_as_in_its_row(outcome, fault), outcome


@pytest.mark.parametrize(("code", "fault"), _rows(SALESFORCE))
def test_salesforce(code: str, fault: Fault) -> None:
    """Salesforce's code of a record or of a call, or the status alone."""
    body = [] if code.startswith("http_") else [{"errorCode": code.upper(), "message": "", "fields": []}]
    if code.startswith("http_") and _status(code, 0) == 413:
        body = [{"errorCode": "", "message": ""}]
    whole = fault.blames == "setting" or code == "request_limit_exceeded" or code.startswith("http_")
    status = _status(code, 403)
    if whole and not body:
        body = [{"errorCode": "", "message": ""}]

    def results(keys: list[str]) -> Any:
        if whole:
            return httpx.Response(status, json=body)
        return [{"success": False, "errors": body} for _ in keys]

    outcome = writing(results).upsert([wanted()])[key_of(7001)]
    assert _is_as_in_its_row(outcome, fault), outcome


OAUTH: Final = (
    "invalid_client",
    "invalid_client_id",
    "invalid_client_credentials",
    "invalid_app_access",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
    "access_denied",
    "inactive_user",
    "inactive_org",
    "unknown_error",
    "rate_limit_exceeded",
    "server_error",
    "temporarily_unavailable",
)


@pytest.mark.parametrize("code", OAUTH)
def test_salesforce_without_a_session(code: str) -> None:
    """What the token endpoint says with a 400 is read by the same table."""
    body = {"error": code, "error_description": "retry your request"}
    outcome = scripted_salesforce(lambda _: httpx.Response(400, json=body)).upsert([wanted()])[key_of(7001)]
    assert _is_as_in_its_row(outcome, SALESFORCE[code]), outcome
    assert outcome.reason == code


@pytest.mark.parametrize(("code", "fault"), _rows(WEBHOOK))
def test_webhook(code: str, fault: Fault) -> None:
    """A receiver's status, whatever its body is: it is the merchant's own."""
    crm = scripted_webhook(lambda _: httpx.Response(_status(code, 0), text=PAGE))
    assert _is_as_in_its_row(crm.upsert([wanted()])[key_of(7001)], fault)


@dataclass
class _Ssm:
    """A parameter store with one value."""

    value: str

    def get_parameter(self, **_: object) -> dict[str, Any]:
        """Return it."""
        return {"Parameter": {"Value": self.value}}


ERRORS: Final = {
    "later": TransientError,
    "waits": TransientError,
    "member": PermanentError,
    "setting": MisconfiguredError,
    "definition": TransientError,
}
NOTIFICATION: Final = Notification(alert_message=alert_message(), kind="opened", member=MIA)


def _slack(value: str, reply: httpx.Response) -> SlackChannel:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: reply))
    return SlackChannel(Secret("/relay/slack", boto_manner(_Ssm(value))), client, channel="#alerts")


@pytest.mark.parametrize(("code", "fault"), _rows(SLACK))
def test_slack(code: str, fault: Fault) -> None:
    """An error of Slack's API for the channel that is set."""
    channel = _slack("xoxb-1", httpx.Response(200, json={"ok": False, "error": code}))
    with pytest.raises(ERRORS[fault.blames]) as caught:
        channel.send(NOTIFICATION)
    assert type(caught.value) is ERRORS[fault.blames]
    if isinstance(caught.value, MisconfiguredError):
        assert caught.value.setting == fault.setting


@pytest.mark.parametrize(("code", "fault"), _rows(SLACK_HOOK))
def test_slack_hook(code: str, fault: Fault) -> None:
    """The plain words of an incoming webhook, or its status."""
    status = _status(code, 403)
    text = "" if code.startswith("http_") else code
    channel = _slack("https://hooks.slack.example/x", httpx.Response(status, text=text))
    with pytest.raises(ERRORS[fault.blames]) as caught:
        channel.send(NOTIFICATION)
    assert type(caught.value) is ERRORS[fault.blames]
    if isinstance(caught.value, MisconfiguredError):
        assert caught.value.setting == fault.setting
    assert fault.setting != "SlackChannel", "a webhook's channel is part of its URL"


@pytest.mark.parametrize(("code", "fault"), _rows(PAGERDUTY))
def test_pagerduty(code: str, fault: Fault) -> None:
    """What an answer of the Events API says: its status, and for a 400 whether it speaks of the routing key."""
    errors = {"invalid_routing_key": ["Invalid routing key"], "invalid_event": ["'payload' is missing"]}
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": errors.get(code, [])}
    if code == "throttle_exceeded":
        message = "Requests for this service are arriving too quickly.  Please retry later."
        body = {"status": "throttle exceeded", "message": message}
    error = _pagerduty(httpx.Response(_status(code, 403 if code == "throttle_exceeded" else 400), json=body))
    assert type(error) is ERRORS[fault.blames]
    if isinstance(error, MisconfiguredError):
        assert error.setting == fault.setting


def _pagerduty(reply: httpx.Response) -> Exception:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: reply))
    secret = Secret("/relay/pagerduty", boto_manner(_Ssm("R" * 32)))
    channel = PagerDutyChannel("https://pd.example", secret, "acme.myshopify.com", client)
    with pytest.raises(Exception) as caught:
        channel.send(NOTIFICATION)
    return caught.value


@pytest.mark.parametrize("code", ["channel_not_found", "no_permission", "team_not_found", "is_archived"])
def test_slacks_refusal_of_an_earlier_thread_is_not_the_set_channels(code: str) -> None:
    """What is wrong with the thread's channel alone is posted anew, and blames no setting."""
    answers = iter([{"ok": False, "error": code}, {"ok": True, "channel": "C2", "ts": "2.0"}])
    asked: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json=next(answers))

    client = httpx.Client(transport=httpx.MockTransport(answer))
    secret = Secret("/relay/slack", boto_manner(_Ssm("xoxb-1")))
    channel = SlackChannel(secret, client, channel="#alerts")
    told = replace(NOTIFICATION, kind="escalated", thread_ref="C1/1.0")
    assert channel.send(told) == "C2/2.0"
    assert [body["channel"] for body in asked] == ["C1", "#alerts"]


@pytest.mark.parametrize("posted", [{"ok": True}, {"ok": True, "channel": "C1", "ts": None}])
def test_slacks_yes_is_never_posted_again(posted: dict[str, Any]) -> None:
    """An `ok` without the message's time began no thread, and is sent all the same."""
    assert _slack("xoxb-1", httpx.Response(200, json=posted)).send(NOTIFICATION) is None


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 405, 409, 500, 503])
def test_a_page_of_an_edge_blames_nothing(status: int) -> None:
    """HTML before a provider is "not now": no member, no key and no setting is at fault for it."""
    reply = httpx.Response(status, text=PAGE, headers={"content-type": "text/html"})
    outcomes = [
        scripted_hubspot(lambda _: reply).upsert([wanted()])[KEY],
        ScriptedKlaviyo(("/api/profiles", status, PAGE.encode())).crm().upsert([wanted()])[MEMBER],
        ScriptedKlaviyo(("/api/profile-import", status, PAGE.encode())).crm().upsert([wanted()])[MEMBER],
        writing(lambda _: reply).upsert([wanted()])[key_of(7001)],
    ]
    assert {(outcome.state, outcome.setting) for outcome in outcomes} == {("retry", "")}
    assert status == 302 or type(_pagerduty(reply)) is TransientError


def test_a_401_is_one_with_any_body() -> None:
    """Only the server that knows the credentials sends it."""
    reply = httpx.Response(401, text=PAGE)
    assert scripted_hubspot(lambda _: reply).upsert([wanted()])[KEY].state == "unauthorised"
    klaviyo = ScriptedKlaviyo(("/api/profiles", 401, None))
    assert klaviyo.crm().upsert([wanted()])[MEMBER].state == "unauthorised"


def test_an_unknown_code_waits() -> None:
    """No member is refused for ever because of an answer that is not known."""
    error = {"category": "CODE_OF_TOMORROW", "correlationId": "x"}
    hubspot = scripted_hubspot(lambda _: httpx.Response(400, json=error))
    assert hubspot.upsert([wanted(number) for number in range(50)])[key_of(1)] == CrmOutcome(
        state="waiting", reason="code_of_tomorrow"
    )


@pytest.mark.parametrize("code", ["code_of_tomorrow", "limit_exceeded"])
def test_a_code_that_is_no_records_is_not_halved(code: str) -> None:
    """A call that the provider refuses as a whole is made once."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(400, json={"category": code.upper(), "correlationId": "x"})

    outcomes = scripted_hubspot(answer).upsert([wanted(number) for number in range(100)])
    assert {outcome.state for outcome in outcomes.values()} == {"waiting"}
    assert len(asked) == 1


def test_a_call_is_halved_at_most_four_times() -> None:
    """A code that one record can cause costs at most eight calls more; what is left waits."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(400, json={"category": "VALIDATION_ERROR", "correlationId": "x"})

    outcomes = scripted_hubspot(answer).upsert([wanted(number) for number in range(100)])
    assert {outcome.state for outcome in outcomes.values()} == {"waiting"}
    assert len(asked) == 9
