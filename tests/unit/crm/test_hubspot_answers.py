"""What HubSpot's answers mean, and what a missing answer means."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from relay.errors import MisconfiguredError, TransientError
from relay.ports.crm import CrmOutcome

from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.tokens import FixedToken
from tests.unit.crm.scripted_hubspot import KEY, all_done, scripted_hubspot


def test_a_rejected_token_is_read_again() -> None:
    """After a 401 the token is forgotten: a rotation needs no deployment."""
    token = FixedToken()
    crm = scripted_hubspot(
        lambda request: httpx.Response(401, json={"category": "INVALID_AUTHENTICATION"}), token
    )
    assert crm.upsert([wanted()])[KEY] == CrmOutcome(state="unauthorised", reason="invalid_authentication")
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

    assert scripted_hubspot(all_done, NoToken()).upsert([wanted()])[KEY].state == state


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
    """A failed connection changed nothing; a request that broke off may have taken effect."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    outcome = scripted_hubspot(fail).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.unanswered) == ("retry", unanswered)


@pytest.mark.parametrize("status", [302, 404, 405, 415, 477, 500, 503, 521])
def test_a_status_that_concerns_no_member_is_a_retry(status: int) -> None:
    """A status that has nothing to do with the member never refuses it."""
    outcome = scripted_hubspot(lambda request: httpx.Response(status, text="<html>")).upsert([wanted()])[KEY]
    assert outcome.state == "retry"


def _always(reply: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: reply


def test_a_wait_until_a_date() -> None:
    """A server may name the time itself; one that has passed, or is more than a day ahead, is ignored."""
    now = datetime.now(UTC)
    waits = []
    for ahead in (timedelta(minutes=3), timedelta(minutes=-3), timedelta(days=400)):
        headers = {"Retry-After": format_datetime(now + ahead, usegmt=True)}
        reply = httpx.Response(429, json={"policyName": "SECONDLY"}, headers=headers)
        waits.append(scripted_hubspot(_always(reply)).upsert([wanted()])[KEY].retry_after)
    assert 170 < (waits[0] or 0) <= 180
    assert waits[1:] == [1.0, 1.0]


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "inf", "9" * 30, "1000000000", "Sat, 32 Nov 2026"])
def test_an_unusable_wait_is_ignored(asked: str) -> None:
    """A `Retry-After` that is no usable number of seconds is ignored."""

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            429, headers={"Retry-After": asked}, json={"policyName": "TEN_SECONDLY_ROLLING"}
        )

    assert scripted_hubspot(refuse).upsert([wanted()])[KEY].retry_after == 10


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b"null", b"7", b'{"results": 7, "errors": "x"}'])
def test_an_unreadable_success_names_no_member(body: bytes) -> None:
    """A success that cannot be read names no member."""
    outcome = scripted_hubspot(lambda request: httpx.Response(200, content=body)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("waiting", "silent_2xx")


@pytest.mark.parametrize("body", [b"\xff", b"[" * 9999, b"<html>", b'{"results": ['])
def test_a_success_that_is_no_json_is_no_answer(body: bytes) -> None:
    """A page of an edge, or half an answer: whether HubSpot took the members is unknown."""
    outcome = scripted_hubspot(lambda request: httpx.Response(200, content=body)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.unanswered) == ("retry", True)


def test_an_unnamed_fault_is_found_by_halving() -> None:
    """A batch that is refused as a whole is written in halves: the member at fault waits, all others arrive."""
    bad = key_of(5)

    def answer(request: httpx.Request) -> httpx.Response:
        if bad in [each["id"] for each in json.loads(request.content)["inputs"]]:
            return httpx.Response(
                400, json={"category": "VALIDATION_ERROR", "message": "jane@example.com is bad"}
            )
        return all_done(request)

    outcomes = scripted_hubspot(answer).upsert([wanted(number) for number in range(9)])
    assert [key for key, outcome in outcomes.items() if outcome.state == "waiting"] == [bad]
    assert outcomes[bad].reason == "validation_error"
    assert sum(outcome.state == "mirrored" for outcome in outcomes.values()) == 8


def test_hubspots_messages_are_not_repeated() -> None:
    """A reason is HubSpot's code and never its message, which quotes values."""

    def answer(request: httpx.Request) -> httpx.Response:
        detail = {"message": "jane@example.com is bad", "code": "INVALID_EMAIL"}
        return httpx.Response(
            400, json={"message": "jane@example.com", "category": "jane doe", "errors": [detail]}
        )

    assert scripted_hubspot(answer).upsert([wanted()])[KEY] == CrmOutcome(
        state="refused", reason="invalid_email"
    )


def test_a_fault_that_only_the_message_names() -> None:
    """The code and the property are taken from the JSON after HubSpot's sentence, and nothing of the value."""
    wrong = [
        {"isValid": False, "message": "jane@example was not valid", "error": "INVALID_EMAIL", "name": "email"}
    ]
    body = {"category": "VALIDATION_ERROR", "message": f"Property values were not valid: {json.dumps(wrong)}"}
    outcome = scripted_hubspot(lambda request: httpx.Response(400, json=body)).upsert([wanted()])[KEY]
    assert outcome == CrmOutcome(state="refused", reason="invalid_email email")


@pytest.mark.parametrize(("asked", "waited"), [("0", 2), ("1", 2), ("9", 9)])
def test_a_lock_is_waited_for_two_seconds_at_least(asked: str, waited: float) -> None:
    """HubSpot locks for two seconds, whatever its header says."""
    crm = scripted_hubspot(lambda request: httpx.Response(423, headers={"Retry-After": asked}, json={}))
    assert crm.upsert([wanted()])[KEY].retry_after == waited


def test_a_key_that_is_not_unique_is_not_written() -> None:
    """A portal whose `membership_key` is not unique is to be corrected by its administrator."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(
                200, json={"results": [{"name": "membership_key", "hasUniqueValue": False}]}
            )
        return httpx.Response(400, json={"errors": [{"code": "PROPERTY_DOESNT_EXIST"}]})

    outcome = scripted_hubspot(answer).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("waiting", "membership_key_is_not_unique")


INVALID = '[{"isValid":false,"error":"INVALID_EMAIL","name":"email"}]'


def _row(key: str, contact: str = "51") -> dict[str, object]:
    return {"id": contact, "properties": {"membership_key": key}, "objectWriteTraceId": key}


def _upsert(
    status: int,
    results: Sequence[Mapping[str, object]],
    errors: Sequence[Mapping[str, object]],
    members: int = 2,
) -> dict[str, CrmOutcome]:
    """Return the outcomes of an upsert whose answer is this one; other calls succeed."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("upsert"):
            body = {"status": "COMPLETE", "results": results, "errors": errors, "numErrors": len(errors)}
            return httpx.Response(status, json=body)
        if request.url.path.endswith("batch/read"):
            found = {"id": "51", "properties": {"email": "member-7001@example.com"}}
            return httpx.Response(200, json={"results": [found]})
        if request.method == "GET":
            return httpx.Response(200, json={"results": []})
        return httpx.Response(200 if request.method == "PATCH" else 201, json={"id": "51"})

    return dict(scripted_hubspot(answer).upsert([wanted(7001 + number) for number in range(members)]))


@pytest.mark.parametrize("status", [200, 207])
def test_an_error_that_names_no_member_is_the_missing_ones(status: int) -> None:
    """`COMPLETE` with an error without a trace id: the one member that is in no other part has met it."""
    error = {"category": "VALIDATION_ERROR", "message": f"Property values were not valid: {INVALID}"}
    outcomes = _upsert(status, [_row(key_of(7002))], [error])
    assert (outcomes[KEY].state, outcomes[KEY].reason) == ("refused", "invalid_email email")
    assert outcomes[key_of(7002)].state == "mirrored"


def test_a_conflict_that_names_no_member_is_solved() -> None:
    """The contact that has the address becomes the member's."""
    error = {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 51"}
    assert _upsert(207, [], [error], members=1)[KEY].id == "51"


def test_a_missing_definition_that_names_no_member_is_made() -> None:
    """It is every missing member's: the definition is made, and they are written again."""
    made: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("upsert"):
            if made:
                return all_done(request)
            error = {"category": "VALIDATION_ERROR", "errors": [{"code": "PROPERTY_DOESNT_EXIST"}]}
            return httpx.Response(207, json={"status": "COMPLETE", "results": [], "errors": [error]})
        if request.method == "GET":
            return httpx.Response(200, json={"results": []})
        made.append(request.url.path)
        return httpx.Response(201, json={})

    members = [replace(wanted(number), write_names=()) for number in range(40)]
    outcomes = scripted_hubspot(answer).upsert(members)
    assert {each.state for each in outcomes.values()} == {"mirrored"}
    assert len(made) == 2


def test_rows_count_by_their_key() -> None:
    """Neither the order of the rows nor one that comes twice gives a member another one's contact."""
    rows = [_row(key_of(7002), "52"), _row(KEY), _row(KEY)]
    assert {key: each.id for key, each in _upsert(207, rows, []).items()} == {KEY: "51", key_of(7002): "52"}


def test_an_address_in_a_property_of_the_merchants() -> None:
    """Only the member's own address is the member's fault: another property waits for whoever fills it."""
    text = INVALID.replace('"email"', '"work_email"')
    error = {"category": "VALIDATION_ERROR", "message": text, "context": {"objectWriteTraceId": [KEY]}}
    outcomes = _upsert(207, [_row(key_of(7002))], [error])
    assert (outcomes[KEY].state, outcomes[KEY].reason) == ("waiting", "invalid_email work_email")
