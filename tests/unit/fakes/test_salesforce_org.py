"""The fake Salesforce refuses what Salesforce refuses, so that an adapter that passes here also works there."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.salesforce_org import SalesforceError, SalesforceField, SalesforceOrg


@pytest.fixture
def org() -> SalesforceOrg:
    """Return an org with one field of each type, and a key."""
    columns = {
        f"P_{kind}__c": SalesforceField(type=kind, length=5, digits=3)
        for kind in ("Text", "Number", "Date", "DateTime", "Checkbox", "Picklist")
    }
    return SalesforceOrg(
        columns={**columns, "Key__c": SalesforceField(type="Text", external_id=True, unique=True)}
    )


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("P_Unknown__c", "x", "INVALID_FIELD"),
        ("P_Number__c", "3", "JSON_PARSER_ERROR"),
        ("P_Number__c", True, "JSON_PARSER_ERROR"),
        ("P_Number__c", 1000, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("P_Date__c", "2026-11-22T10:00:00Z", "JSON_PARSER_ERROR"),
        ("P_Date__c", "tomorrow", "JSON_PARSER_ERROR"),
        ("P_DateTime__c", "2026-11-22", "JSON_PARSER_ERROR"),
        ("P_DateTime__c", 1763769600000, "JSON_PARSER_ERROR"),
        ("P_Checkbox__c", "true", "JSON_PARSER_ERROR"),
        ("P_Checkbox__c", None, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("P_Text__c", "123456", "STRING_TOO_LONG"),
        ("P_Text__c", "🥇🥇🥇", "STRING_TOO_LONG"),
        ("P_Text__c", 7, "JSON_PARSER_ERROR"),
        ("Email", "no-address", "INVALID_EMAIL_ADDRESS"),
        ("LastName", None, "REQUIRED_FIELD_MISSING"),
    ],
)
def test_values_that_do_not_fit(org: SalesforceOrg, name: str, value: object, code: str) -> None:
    """A value of the wrong form or type is refused in Salesforce's words, and no record is left behind."""
    with pytest.raises(SalesforceError) as caught:
        org.create({"LastName": "Doe", name: value})
    assert caught.value.code == code
    assert not org.records


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("P_Number__c", -24.99),
        ("P_Date__c", "2026-11-22"),
        ("P_DateTime__c", "2026-11-22T10:00:00.000Z"),
        ("P_Checkbox__c", False),
        ("P_Picklist__c", "new"),
    ],
)
def test_values_that_fit(org: SalesforceOrg, name: str, value: object) -> None:
    """A value of the documented form is kept, and null clears it where that can be."""
    id_ = org.create({"LastName": "Doe", name: value})
    assert org.records[id_][name] == value
    if name != "P_Checkbox__c":
        org.change(id_, {name: None})
        assert org.records[id_] == {"LastName": "Doe"}


def test_a_key_is_unique_and_an_address_is_not(org: SalesforceOrg) -> None:
    """Two records may share an address, unless the merchant's rule says no; a key they never share."""
    first = {"LastName": "Doe", "Email": "a@example.com", "Key__c": "k1"}
    org.upsert("Key__c", first, allow_duplicates=False)
    org.upsert("Key__c", {**first, "Key__c": "k2"}, allow_duplicates=False)
    with pytest.raises(SalesforceError) as caught:
        org.create({**first, "Key__c": "K1"})
    assert caught.value.code == "DUPLICATE_VALUE"
    org.duplicate_rule = True
    with pytest.raises(SalesforceError) as caught:
        org.upsert("Key__c", {**first, "Key__c": "k3"}, allow_duplicates=False)
    assert caught.value.code == "DUPLICATES_DETECTED"
    assert org.upsert("Key__c", {**first, "Key__c": "k3"}, allow_duplicates=True)[1]


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email IN ('a' OR 'b')", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email IN ('a')OR('b')", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email IN ('a\\')", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Email IN ('a')", "INVALID_TYPE"),
        ("SELECT Nothing__c FROM Contact WHERE Email IN ('a')", "INVALID_FIELD"),
    ],
)
def test_invalid_queries(org: SalesforceOrg, soql: str, code: str) -> None:
    """Only one form of query is supported, and a quote without an escape ends its text."""
    with pytest.raises(SalesforceError) as caught:
        org.select(soql)
    assert caught.value.code == code


def test_a_query_ignores_case(org: SalesforceOrg) -> None:
    """Texts are compared without regard to case, and escapes are read."""
    wanted: dict[str, Any] = {"LastName": "Doe", "Email": "O'Hara@example.com"}
    id_ = org.create(wanted)
    [found] = org.select(r"SELECT Id, Email FROM Contact WHERE Email IN ('x', 'o\'hara@EXAMPLE.com')")
    assert (found["Id"], found["Email"]) == (id_, "O'Hara@example.com")
