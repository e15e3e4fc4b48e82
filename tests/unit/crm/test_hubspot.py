"""HubSpot's names, its notation of values, its paths, and what its answers mean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest
from relay.adapters.hubspot import Hubspot
from relay.adapters.hubspot.mapping import GROUP, PROPERTIES, definitions, encode, properties_of
from relay.canonical import CANONICAL
from relay.deciding.metrics import METRICS
from relay.errors import MisconfiguredError, TransientError
from relay.fields import Value
from relay.ports.crm import Outcome

from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.tokens import FixedToken
from tests.fakes import ROOT

KEY = key_of(7001)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (Decimal("24.90"), "24.9"),
        (Decimal("1E+21"), "1000000000000000000000"),
        (Decimal("1E-7"), "0.0000001"),
        (date(2026, 2, 5), "2026-02-05"),
        (datetime(2026, 11, 22, 10, tzinfo=UTC), "2026-11-22T10:00:00.000Z"),
        (datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=2))), "2026-11-22T08:00:00.000Z"),
        ("<!channel> Ünïcode", "<!channel> Ünïcode"),
        ("half \ud83e", "half ?"),
    ],
)
def test_notation(value: Value, text: str) -> None:
    """Every value is a string as HubSpot reads it; what is unknown is empty, which clears."""
    assert encode(value) == text


def test_names_are_the_contract() -> None:
    """The names that differ from the rule are those agreed with merchants, and none is Inveterate's own."""
    assert PROPERTIES["key"] == "membership_key"
    assert PROPERTIES["email"] == "email"
    assert PROPERTIES["tier_name"] == "membership_tier"
    assert PROPERTIES["previous_tier_name"] == "membership_previous_tier"
    assert PROPERTIES["fee_amount"] == "membership_fee"
    assert PROPERTIES["credit_balance"] == "membership_credit_balance"
    assert PROPERTIES["credits_earned_total"] == "membership_credits_earned"
    assert PROPERTIES["credits_expiring_amount"] == "membership_credits_expiring"
    assert all(name.startswith("membership_") for name in PROPERTIES.values() if name != "email")
    assert len(set(PROPERTIES.values())) == len(CANONICAL)


def test_the_docs_have_every_property_and_event() -> None:
    """docs/hubspot.md names them all, and none that there is not."""
    text = (ROOT / "docs/hubspot.md").read_text()
    listed = re.findall(
        r"^\| `(\w+)` \| .* \|$",
        text.partition("## Custom events")[0].partition("## The prop")[2],
        re.MULTILINE,
    )
    assert listed == list(PROPERTIES.values())
    events = text.partition("dates them:")[2].partition(".")[0]
    assert " ".join(events.split()).split(", ") == list(METRICS)


def test_names_and_consent_are_the_merchants() -> None:
    """No call writes a contact's name, phone or consent."""
    written = properties_of(wanted()).keys()
    assert not {name for name in written if "name" in name and not name.startswith("membership_")}
    assert not {"phone", "hs_legal_basis"} & written


def test_definitions() -> None:
    """Each of our properties is defined in our group; the key alone is unique; types have options where needed."""
    defined = {definition["name"]: definition for definition in definitions()}
    assert defined.keys() == set(PROPERTIES.values()) - {"email"}
    assert {definition["groupName"] for definition in defined.values()} == {GROUP}
    assert [name for name, each in defined.items() if each.get("hasUniqueValue")] == ["membership_key"]
    assert [option["value"] for option in defined["membership_status"]["options"]] == [
        "trialing",
        "active",
        "past_due",
        "pending_cancellation",
        "cancelled",
        "none",
    ]
    kinds = {name: (each["type"], each["fieldType"]) for name, each in defined.items()}
    assert kinds["membership_joined_at"] == ("datetime", "date")
    assert kinds["membership_next_payment_on"] == ("date", "date")
    assert kinds["membership_credit_balance"] == ("number", "number")
    assert kinds["membership_high_value"] == ("bool", "booleancheckbox")
    assert kinds["membership_tier"] == ("string", "text")
    assert kinds["membership_cancel_reason"] == ("string", "textarea")


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("v3", "/crm/v3/objects/contacts/batch/upsert"),
        ("2026-03", "/crm/objects/2026-03/contacts/batch/upsert"),
        ("2026-09", "/crm/objects/2026-09/contacts/batch/upsert"),
    ],
)
def test_paths(version: str, path: str) -> None:
    """Each version has its own path; the request has the documented form, with a trace id and strings alone."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return _all_done(request)

    crm = Hubspot("https://hub.example", FixedToken(), version, httpx.MockTransport(answer))
    assert crm.upsert([wanted(tier_name="Gold")]) == {KEY: Outcome(state="mirrored", id="51")}
    (request,) = asked
    assert request.url.path == path
    assert request.headers["authorization"] == "Bearer a-service-key"
    (sent,) = json.loads(request.content)["inputs"]
    assert (sent["idProperty"], sent["id"], sent["objectWriteTraceId"]) == ("membership_key", KEY, KEY)
    assert all(isinstance(value, str) for value in sent["properties"].values())
    assert sent["properties"]["membership_tier"] == "Gold"


def test_an_unknown_version() -> None:
    """A version that is not in the table is a setting to mend."""
    with pytest.raises(MisconfiguredError) as caught:
        Hubspot("https://hub.example", FixedToken(), "2027-03")
    assert caught.value.setting == "HUBSPOT_VERSION"


def test_a_refused_token_is_read_anew() -> None:
    """After a 401 the token is forgotten: a rotation needs no deployment."""
    token = FixedToken()
    crm = _answering(lambda request: httpx.Response(401, json={"category": "INVALID_AUTHENTICATION"}), token)
    assert crm.upsert([wanted()])[KEY] == Outcome(state="unauthorised", reason="invalid_authentication")
    assert token.forgotten == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [(MisconfiguredError("gone", setting="s"), "unauthorised"), (TransientError("down"), "retry")],
)
def test_a_token_that_cannot_be_read(error: Exception, state: str) -> None:
    """Without a token nothing is sent, and nothing is raised."""

    class NoToken(FixedToken):
        def value(self) -> str:
            raise error

    assert _answering(_all_done, NoToken()).upsert([wanted()])[KEY].state == state


@pytest.mark.parametrize(
    ("error", "unanswered"),
    [
        (httpx.ConnectError("no"), False),
        (httpx.ConnectTimeout("no"), False),
        (httpx.ReadTimeout("no"), True),
        (httpx.WriteError("no"), True),
        (httpx.RemoteProtocolError("no"), True),
    ],
)
def test_the_network(error: Exception, unanswered: bool) -> None:  # noqa: FBT001 - a table's column
    """A connection that was not made changed nothing; one that broke may have."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    outcome = _answering(fail).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.unanswered) == ("retry", unanswered)


@pytest.mark.parametrize("status", [302, 404, 405, 415, 477, 500, 503, 521])
def test_what_says_nothing_of_a_member_is_for_later(status: int) -> None:
    """A status that has nothing to do with the member never refuses it."""
    outcome = _answering(lambda request: httpx.Response(status, text="<html>")).upsert([wanted()])[KEY]
    assert outcome.state == "retry"


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "inf", "9" * 30])
def test_an_insane_wait_is_not_obeyed(asked: str) -> None:
    """A `Retry-After` that is no sane number of seconds is left aside."""

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            429, headers={"Retry-After": asked}, json={"policyName": "TEN_SECONDLY_ROLLING"}
        )

    assert _answering(refuse).upsert([wanted()])[KEY].retry_after == 10


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"results": 7, "errors": "x"}', b"\xff", b"[" * 9999]
)
def test_an_odd_success_is_none(body: bytes) -> None:
    """A success that cannot be read names nobody."""
    outcome = _answering(lambda request: httpx.Response(200, content=body)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("refused", "silent_2xx")


def test_a_fault_that_names_nobody_is_found_by_halving() -> None:
    """A batch that is refused as a whole is written in halves: the one at fault is refused, all others arrive."""
    bad = key_of(5)

    def answer(request: httpx.Request) -> httpx.Response:
        if bad in [each["id"] for each in json.loads(request.content)["inputs"]]:
            return httpx.Response(
                400, json={"category": "VALIDATION_ERROR", "message": "jane@example.com is bad"}
            )
        return _all_done(request)

    outcomes = _answering(answer).upsert([wanted(number) for number in range(9)])
    assert [key for key, outcome in outcomes.items() if outcome.state == "refused"] == [bad]
    assert outcomes[bad].reason == "validation_error"
    assert sum(outcome.state == "mirrored" for outcome in outcomes.values()) == 8


def test_no_message_of_hubspots_is_repeated() -> None:
    """A reason is HubSpot's code and never its message, which quotes values."""

    def answer(request: httpx.Request) -> httpx.Response:
        detail = {"message": "jane@example.com is bad", "code": "INVALID_EMAIL"}
        return httpx.Response(
            400, json={"message": "jane@example.com", "category": "jane doe", "errors": [detail]}
        )

    assert _answering(answer).upsert([wanted()])[KEY] == Outcome(state="refused", reason="invalid_email")


def test_what_is_wrong_may_stand_in_the_message_alone() -> None:
    """Of the JSON after HubSpot's sentence the code and the property are taken, and nothing of the value."""
    wrong = [
        {"isValid": False, "message": "jane@example was not valid", "error": "INVALID_EMAIL", "name": "email"}
    ]
    body = {"category": "VALIDATION_ERROR", "message": f"Property values were not valid: {json.dumps(wrong)}"}
    outcome = _answering(lambda request: httpx.Response(400, json=body)).upsert([wanted()])[KEY]
    assert outcome == Outcome(state="refused", reason="invalid_email email")


@pytest.mark.parametrize(("asked", "waited"), [("0", 2), ("1", 2), ("9", 9)])
def test_a_lock_is_waited_for_two_seconds_at_least(asked: str, waited: float) -> None:
    """HubSpot locks for two seconds whatever its header says."""
    crm = _answering(lambda request: httpx.Response(423, headers={"Retry-After": asked}, json={}))
    assert crm.upsert([wanted()])[KEY].retry_after == waited


def test_a_key_that_is_not_unique_is_not_written_to() -> None:
    """A portal whose `membership_key` identifies nobody is for a person to mend."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(
                200, json={"results": [{"name": "membership_key", "hasUniqueValue": False}]}
            )
        return httpx.Response(400, json={"errors": [{"code": "PROPERTY_DOESNT_EXIST"}]})

    outcome = _answering(answer).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("unauthorised", "membership_key_is_not_unique")


def _answering(answer: Callable[[httpx.Request], httpx.Response], token: FixedToken | None = None) -> Hubspot:
    return Hubspot("https://hub.example", token or FixedToken(), transport=httpx.MockTransport(answer))


def _all_done(request: httpx.Request) -> httpx.Response:
    inputs: list[dict[str, Any]] = json.loads(request.content)["inputs"]
    results = [
        {
            "id": "51",
            "new": True,
            "properties": {"membership_key": each["id"]},
            "objectWriteTraceId": each["id"],
        }
        for each in inputs
    ]
    return httpx.Response(200, json={"status": "COMPLETE", "results": results})
