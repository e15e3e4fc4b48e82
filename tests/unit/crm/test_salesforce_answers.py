"""What Salesforce's answers mean for each member of a call."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from relay.errors import MisconfiguredError, TransientError
from relay.ports.crm import ContactRef, CrmOutcome

from tests.contract.crm.profiles import key_of, wanted
from tests.unit.crm.scripted_salesforce import (
    KEY,
    done,
    error,
    scripted_salesforce,
    writing,
)


@pytest.mark.parametrize("word", ["errorCode", "statusCode"])
@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        ("UNABLE_TO_LOCK_ROW", "retry", "unable_to_lock_row"),
        ("SERVER_UNAVAILABLE", "retry", "server_unavailable"),
        ("DUPLICATES_DETECTED", "waiting", "duplicates_detected"),
        ("REQUIRED_FIELD_MISSING", "waiting", "required_field_missing"),
        ("MALFORMED_ID", "refused", "malformed_id"),
        ("DUPLICATE_EXTERNAL_ID", "waiting", "identity_conflict"),
        ("DUPLICATE_VALUE", "waiting", "identity_conflict"),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", "unauthorised", "unknown_property"),
        ("jane@example.com", "waiting", "no_reason"),
    ],
)
def test_one_records_error(word: str, code: str, state: str, reason: str) -> None:
    """An error of one record, in either spelling, is that member's; its reason is a code and never a message."""
    error = {word: code, "message": "jane@example.com is bad", "fields": []}
    outcome = writing(lambda keys: [{"success": False, "errors": [error]} for _ in keys]).upsert([wanted()])
    assert (outcome[KEY].state, outcome[KEY].reason) == (state, reason)


@pytest.mark.parametrize(
    ("code", "field", "state"),
    [
        ("INVALID_EMAIL_ADDRESS", "Email", "refused"),
        ("STRING_TOO_LONG", "Email", "refused"),
        ("INVALID_EMAIL_ADDRESS", "Backup_Email__c", "waiting"),
        ("STRING_TOO_LONG", "Membership_Tier__c", "waiting"),
        ("STRING_TOO_LONG", "Nickname__c", "waiting"),
        ("NUMBER_OUTSIDE_VALID_RANGE", "Membership_Fee__c", "waiting"),
        ("MALFORMED_ID", "Region__c", "waiting"),
    ],
)
def test_only_the_address_is_a_members_own(code: str, field: str, state: str) -> None:
    """Relay keeps to its own definitions: a field that takes less, or one that a rule fills, is the merchant's to mend."""
    error = {"statusCode": code, "message": "", "fields": [field]}
    outcome = writing(lambda keys: [{"success": False, "errors": [error]} for _ in keys]).upsert([wanted()])
    assert (outcome[KEY].state, outcome[KEY].reason) == (state, f"{code.lower()} {field}")


@pytest.mark.parametrize(
    ("field", "reason", "rounds"),
    [
        ("Loyalty_Number__c", "duplicate_value Loyalty_Number__c", 1),
        ("Membership_Key__c", "identity_conflict", 2),
        ("<unknown>", "identity_conflict", 2),
    ],
)
def test_a_value_that_another_record_has(field: str, reason: str, rounds: int) -> None:
    """Only our key has been taken meanwhile; another unique field is named, and its record is no other contact to look for."""
    message = f"duplicate value found: {field} duplicates value on record with id: 003A"
    error = {"statusCode": "DUPLICATE_VALUE", "message": message, "fields": []}
    calls: list[int] = []

    def results(keys: list[str]) -> Any:
        calls.append(len(keys))
        return [{"success": False, "errors": [error]} for _ in keys]

    outcome = writing(results).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, len(calls)) == ("waiting", reason, rounds)


def test_a_locked_row_concerns_its_member_only() -> None:
    """A locked row is no sign that Salesforce is down for other members."""
    error = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": ""}
    crm = writing(lambda keys: [{"success": False, "errors": [error]} for _ in keys])
    assert crm.upsert([wanted()])[KEY] == CrmOutcome(
        state="retry", reason="unable_to_lock_row", retry_after=5.0, member_only=True
    )


@pytest.mark.parametrize(
    ("status", "code", "state", "reason", "wait"),
    [
        (403, "REQUEST_LIMIT_EXCEEDED", "retry", "request_limit_exceeded", 900.0),
        (403, "API_DISABLED_FOR_ORG", "unauthorised", "api_disabled_for_org", None),
        (404, "NOT_FOUND", "unauthorised", "not_found", None),
        (400, "INVALID_FIELD", "unauthorised", "unknown_property", None),
        (400, "INVALID_TYPE", "unauthorised", "unknown_object", None),
        (400, "JSON_PARSER_ERROR", "waiting", "json_parser_error", None),
        (300, "", "waiting", "identity_conflict", None),
        (503, "SERVER_UNAVAILABLE", "retry", "server_unavailable", 30.0),
        (500, "UNKNOWN_EXCEPTION", "retry", "unknown_exception", None),
        (302, "", "retry", "http_302", None),
        (477, "", "retry", "http_477", None),
    ],
)
def test_a_write_that_is_refused_as_a_whole(
    status: int, code: str, state: str, reason: str, wait: float | None
) -> None:
    """A fault of every member stops the calls; a fault that one member can cause is its own, if it is alone in the call."""
    outcome = writing(lambda keys: error(status, code)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason, outcome.retry_after) == (state, reason, wait)


def test_an_unnamed_fault_is_found_by_halving() -> None:
    """A call that is refused as a whole is made in halves: the member at fault waits, all others arrive."""
    bad = key_of(5)
    crm = writing(lambda keys: error(400, "JSON_PARSER_ERROR") if bad in keys else [done() for _ in keys])
    outcomes = crm.upsert([wanted(number) for number in range(9)])
    assert [key for key, outcome in outcomes.items() if outcome.state == "waiting"] == [bad]
    assert sum(outcome.state == "mirrored" for outcome in outcomes.values()) == 8


@pytest.mark.parametrize("results", [None, {}, [], [{}], [{"success": True, "id": ""}], [7], [{}, {}, {}]])
def test_an_unreadable_success_names_no_member(results: Any) -> None:
    """A success that does not name each record is a refusal."""
    outcomes = writing(lambda keys: results).upsert([wanted()])
    assert outcomes[KEY].state == "waiting"


def test_what_was_written_before_the_stop_counts() -> None:
    """After a record without a field of ours all others wait; those that were written are mirrored."""
    hidden = {"success": False, "errors": [{"statusCode": "INVALID_FIELD"}]}
    crm = writing(lambda keys: [done() if key == KEY else hidden for key in keys])
    outcomes = crm.upsert([wanted(7001), wanted(7002)])
    assert outcomes[KEY].state == "mirrored"
    assert outcomes[key_of(7002)] == CrmOutcome(
        state="unauthorised", reason="unknown_property", setting="SalesforceObject"
    )


def test_errors_of_the_port() -> None:
    """Reading and checking raise what the port promises."""
    crm = scripted_salesforce(lambda request: httpx.Response(400, json={"error": "invalid_client"}))
    with pytest.raises(MisconfiguredError) as caught:
        crm.check()
    assert caught.value.setting == "SalesforceSecret"
    down = scripted_salesforce(lambda request: httpx.Response(503))
    for call in (down.check, lambda: down.read([ContactRef(key=KEY)]), down.ensure_schema):
        with pytest.raises(TransientError):
            call()
