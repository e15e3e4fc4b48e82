"""A deployment changes what the shop's file says and nothing else, and says in words what is lost by it."""

from __future__ import annotations

from typing import Any

import pytest
from relay_cli.deployment.changes import (
    ParameterChange,
    ResourceChange,
    data_warnings,
    parameter_changes,
    request_parameters,
    summary,
    warnings,
)

KNOWN: dict[str, dict[str, Any]] = {
    "ShopDomain": {"Type": "String"},
    "Targets": {"Type": "CommaDelimitedList", "Default": ""},
    "JournalDays": {"Type": "Number", "Default": 365},
    "NewInThisVersion": {"Type": "String", "Default": "on"},
}
DEPLOYED = {"ShopDomain": "acme.myshopify.com", "Targets": "hubspot", "JournalDays": "400"}


def test_a_new_stack_gets_what_the_file_says() -> None:
    """What equals the default needs no mention; what has none is always given."""
    changes = parameter_changes({"ShopDomain": "acme.myshopify.com", "JournalDays": "365"}, {}, KNOWN)
    assert changes == [ParameterChange("ShopDomain", None, "acme.myshopify.com")]
    assert request_parameters(changes, {}, KNOWN) == [
        {"ParameterKey": "ShopDomain", "ParameterValue": "acme.myshopify.com"}
    ]


def test_an_update_keeps_all_else() -> None:
    """A parameter that the file does not name keeps its deployed value, not the template's default."""
    changes = parameter_changes({"Targets": "hubspot,klaviyo"}, DEPLOYED, KNOWN)
    assert changes == [ParameterChange("Targets", "hubspot", "hubspot,klaviyo")]
    assert request_parameters(changes, DEPLOYED, KNOWN) == [
        {"ParameterKey": "ShopDomain", "UsePreviousValue": True},
        {"ParameterKey": "Targets", "ParameterValue": "hubspot,klaviyo"},
        {"ParameterKey": "JournalDays", "UsePreviousValue": True},
    ]


def test_an_unchanged_file_changes_nothing() -> None:
    """The same values again are no change."""
    assert parameter_changes(DEPLOYED, DEPLOYED, KNOWN) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (ParameterChange("Targets", "hubspot,klaviyo", "klaviyo"), "its queue with 12 waiting messages"),
        (ParameterChange("Targets", "hubspot", ""), "hubspot is no target any more"),
        (ParameterChange("AlertEmail", "a@example.com", ""), "no e-mail is sent any more"),
        (ParameterChange("InveterateSecret", "/relay/acme/inveterate", ""), "no longer looked up"),
        (ParameterChange("ShopDomain", "acme.myshopify.com", "new.myshopify.com"), "all records begin anew"),
        (ParameterChange("KeyDigests", "a,b", "b"), "1 callback key is no longer accepted"),
        (ParameterChange("JournalDays", "400", "90"), "more than 90 days are deleted"),
    ],
)
def test_what_is_lost(change: ParameterChange, says: str) -> None:
    """Each loss has its sentence."""
    [warning] = warnings([change], lambda _target: 12)
    assert says in warning


@pytest.mark.parametrize(
    "change",
    [
        ParameterChange("Targets", "hubspot", "hubspot,klaviyo"),
        ParameterChange("AlertEmail", "", "a@example.com"),
        ParameterChange("KeyDigests", "a", "a,b"),
        ParameterChange("JournalDays", "90", "400"),
        ParameterChange("ShopDomain", None, "acme.myshopify.com"),
    ],
)
def test_what_is_not_lost(change: ParameterChange) -> None:
    """What is added needs no warning."""
    assert list(warnings([change], lambda _target: 12)) == []


def test_resources_with_data() -> None:
    """A table that is or may be replaced, or leaves the stack, is named; a function that changes is not."""

    def made(
        action: str, name: str, kind: str, replacement: str = "False", *properties: str
    ) -> ResourceChange:
        return ResourceChange.of(
            {
                "ResourceChange": {
                    "Action": action,
                    "LogicalResourceId": name,
                    "ResourceType": kind,
                    "Replacement": replacement,
                    "Details": [
                        {"Target": {"Attribute": "Properties", "Name": each}}
                        for each in (*properties, *properties[:1])
                    ],
                }
            }
        )

    changes = [
        made("Modify", "Members", "AWS::DynamoDB::Table", "True", "KeySchema"),
        made("Modify", "Grants", "AWS::DynamoDB::Table", "Conditional", "KeySchema", "TableClass"),
        made("Remove", "HubSpotQueue", "AWS::SQS::Queue"),
        made("Modify", "Incidents", "AWS::DynamoDB::Table"),
        made("Modify", "ReceiverFunction", "AWS::Lambda::Function", "True"),
        made("Add", "Figures", "AWS::DynamoDB::Table"),
    ]
    assert list(data_warnings(changes)) == [
        "Members (DynamoDB::Table) is replaced by a new, empty one",
        (
            "Grants (DynamoDB::Table) may be replaced by a new, empty one: "
            "CloudFormation decides that only when it changes KeySchema, TableClass"
        ),
        "HubSpotQueue (SQS::Queue) leaves the stack",
    ]
    assert summary(changes) == "resources: 1 added, 4 changed, 1 removed"
    assert summary([]) == "resources: none change"
