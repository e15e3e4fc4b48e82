"""What Klaviyo's answers mean, and what a missing answer means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from relay.adapters.klaviyo import Klaviyo
from relay.errors import MisconfiguredError, TransientError
from relay.ports.crm import CrmOutcome

from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.tokens import FixedToken
from tests.unit.crm.scripted_klaviyo import EMAIL, MEMBER, ScriptedKlaviyo, change, contacts, known


def test_a_rejected_key_is_read_again() -> None:
    """After a 401 the key is forgotten: a rotation needs no deployment."""
    key = FixedToken("pk_made_up")
    body = {"errors": [{"code": "authentication_failed", "detail": "pk_made_up"}]}
    crm = ScriptedKlaviyo(("/api/profiles", 401, body)).crm(key=key)
    assert crm.upsert([wanted()])[MEMBER] == CrmOutcome(state="unauthorised", reason="authentication_failed")
    assert key.forgotten == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [(MisconfiguredError("gone", setting="s"), "unauthorised"), (TransientError("down"), "retry")],
)
def test_a_key_that_cannot_be_read(error: Exception, state: str) -> None:
    """Without a key nothing is sent, and nothing is raised."""

    class NoKey(FixedToken):
        def value(self) -> str:
            raise error

    klaviyo = ScriptedKlaviyo()
    assert klaviyo.crm(key=NoKey()).upsert([wanted()])[MEMBER].state == state
    assert not klaviyo.asked


@pytest.mark.parametrize(
    ("error", "unanswered"),
    [
        (httpx.ConnectError("no"), False),
        (httpx.ConnectTimeout("no"), False),
        (httpx.ReadTimeout("no"), True),
        (httpx.RemoteProtocolError("no"), True),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_network(error: Exception, unanswered: bool, method: str) -> None:  # noqa: FBT001 - a table's column
    """A failed connection changed nothing, nor did a read; a write that broke off may have taken effect."""
    usual = ScriptedKlaviyo()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == method:
            raise error
        return usual(request)

    crm = Klaviyo("https://k.example", FixedToken("pk_made_up"), transport=httpx.MockTransport(answer))
    outcome = crm.upsert([wanted()])[MEMBER]
    assert (outcome.state, outcome.unanswered) == ("retry", unanswered and method == "POST")


def test_only_the_member_of_the_call_is_uncertain() -> None:
    """In a batch that broke off, members without a call need not wait for it to take effect."""
    usual = ScriptedKlaviyo()

    def answer(request: httpx.Request) -> httpx.Response:
        if b"7002@" in request.content:
            raise httpx.ReadTimeout("no")
        return usual(request)

    crm = Klaviyo("https://k.example", FixedToken("pk_made_up"), transport=httpx.MockTransport(answer))
    outcomes = crm.upsert([wanted(number) for number in (7001, 7002, 7003)])
    assert [(outcome.state, outcome.unanswered) for outcome in outcomes.values()] == [
        ("mirrored", False),
        ("retry", True),
        ("retry", False),
    ]


@pytest.mark.parametrize("path", ["/api/profiles", "/api/profile-import"])
@pytest.mark.parametrize("status", [302, 405, 415, 500, 503])
def test_a_status_that_concerns_no_member_is_a_retry(path: str, status: int) -> None:
    """A status that has nothing to do with the member never refuses it."""
    assert ScriptedKlaviyo((path, status, None)).crm().upsert([wanted()])[MEMBER].state == "retry"


@pytest.mark.parametrize("path", ["/api/profiles", "/api/events"])
def test_a_path_that_the_revision_does_not_know(path: str) -> None:
    """A 404 for a path concerns every member, and names the revision: no member is refused for it."""
    crm = ScriptedKlaviyo((path, 404, {"errors": [{"code": "not_found"}]})).crm()
    outcomes = crm.upsert([wanted()]) if path == "/api/profiles" else crm.record([change()], contacts())
    assert [(outcome.state, outcome.setting) for outcome in outcomes.values()] == [
        ("unauthorised", "KlaviyoRevision")
    ]


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "inf", "9" * 30])
def test_an_unusable_wait_is_ignored(asked: str) -> None:
    """A `Retry-After` that is no usable number of seconds is ignored: after a minute both windows are over."""
    crm = ScriptedKlaviyo(("/api/profiles", 429, {}), headers={"Retry-After": asked}).crm()
    assert crm.upsert([wanted()])[MEMBER].retry_after == 60


def test_no_call_after_the_last_of_a_minute() -> None:
    """After Klaviyo announces that no call is left in this minute, none is made, and no 429 is provoked."""
    reply = {"data": known(key_of(1), "member-1@example.com")}
    klaviyo = ScriptedKlaviyo(
        ("/api/profile-import", 200, reply), headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "17"}
    )
    crm = klaviyo.crm()
    outcomes = crm.upsert([wanted(1), wanted(2)])
    assert outcomes[key_of(1)].state == "mirrored"
    late = outcomes[key_of(2)]
    assert (late.state, late.reason) == ("retry", "rate_limit_reached")
    assert 16 < (late.retry_after or 0) <= 17
    assert len(klaviyo.sent()) == 1


def test_klaviyos_sentences_are_not_repeated() -> None:
    """A reason is Klaviyo's code and the part of the request that it concerns, never a sentence, which quotes values."""
    source = {"pointer": "/data/attributes/email"}
    errors = [{"code": "jane doe"}, {"code": "invalid", "detail": f"{EMAIL} is bad", "source": source}]
    crm = ScriptedKlaviyo(("/api/profile-import", 400, {"errors": errors})).crm()
    assert crm.upsert([wanted()])[MEMBER] == CrmOutcome(
        state="refused", reason="invalid /data/attributes/email"
    )
    errors = [{"code": EMAIL, "source": {"pointer": f"/data/{EMAIL}"}}]
    crm = ScriptedKlaviyo(("/api/profile-import", 400, {"errors": errors})).crm()
    assert crm.upsert([wanted()])[MEMBER] == CrmOutcome(state="waiting", reason="http_400")


SEARCH: Final[dict[str, Any]] = {"errors": [{"code": "invalid", "source": {"parameter": "filter"}}]}


@pytest.mark.parametrize("members", [1, 25])
@pytest.mark.parametrize("parameter", ["filter", "page[size]", "fields[profile]"])
def test_a_search_that_klaviyo_always_refuses_is_no_members_fault(parameter: str, members: int) -> None:
    """A valid address that no member has is refused as well: all wait, and no address counts as invalid."""
    body = {"errors": [{"code": "invalid", "source": {"parameter": parameter}}]}
    klaviyo = ScriptedKlaviyo(*[("/api/profiles", 400, body)] * 60)
    outcomes = klaviyo.crm().upsert([wanted(number) for number in range(members)])
    assert {(each.state, each.reason) for each in outcomes.values()} == {
        ("waiting", "search_refused invalid")
    }
    assert len(klaviyo.asked) == 2


def test_an_address_that_klaviyo_cannot_search_for() -> None:
    """Where a valid one is searched for, the address is the member's own fault, and costs the others nothing."""

    def answer(request: httpx.Request) -> httpx.Response:
        refused = request.method == "GET" and "member-2@" in str(request.url.params.get("filter"))
        return httpx.Response(400, json=SEARCH) if refused else usual(request)

    usual = ScriptedKlaviyo()
    crm = Klaviyo("https://k.example", FixedToken("pk_made_up"), transport=httpx.MockTransport(answer))
    outcomes = crm.upsert([wanted(number) for number in range(4)])
    assert [each.state for each in outcomes.values()] == ["mirrored", "mirrored", "refused", "mirrored"]


@pytest.mark.parametrize("name", ["first_name", "last_name"])
def test_a_name_that_klaviyo_refuses(name: str) -> None:
    """The profile is made without it: a member does not stay away for a name."""
    body = {"errors": [{"code": "invalid", "source": {"pointer": f"/data/attributes/{name}"}}]}
    klaviyo = ScriptedKlaviyo(("/api/profile-import", 400, body))
    named = replace(wanted(), first_name="Mia", last_name="Keller", write_names=("klaviyo",))
    assert klaviyo.crm().upsert([named])[MEMBER].state == "mirrored"
    first, second = klaviyo.sent()
    assert first["attributes"]["first_name"] == "Mia"
    assert not {"first_name", "last_name"} & second["attributes"].keys()
    unnamed = ScriptedKlaviyo(("/api/profile-import", 400, body))
    assert unnamed.crm().upsert([wanted()])[MEMBER].state == "waiting"
    assert len(unnamed.sent()) == 1
