"""The fake HubSpot refuses what HubSpot refuses, so that an adapter that passes here also works there."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.hubspot_errors import HubspotError
from fakes.hubspot_portal import HubspotPortal, check_inputs


@pytest.fixture
def portal() -> HubspotPortal:
    """Return a portal with one property of each type."""
    portal = HubspotPortal()
    portal.make_group("ours")
    options = [{"value": "a", "label": "A"}]
    for kind, field_type in {
        "string": "text",
        "number": "number",
        "date": "date",
        "datetime": "date",
        "bool": "booleancheckbox",
        "enumeration": "select",
    }.items():
        portal.define(_definition(f"p_{kind}", kind, field_type, options=options))
    portal.define(_definition("p_key", "string", "text", hasUniqueValue=True))
    return portal


def _definition(name: str, kind: str, field_type: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": name, "type": kind, "fieldType": field_type, "groupName": "ours", **more}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p_unknown", "x"),
        ("p_number", 3),
        ("p_number", "1,000"),
        ("p_number", "1E+3"),
        ("p_number", "NaN"),
        ("p_date", "1764000000001"),
        ("p_date", "2026-11-22T10:00:00Z"),
        ("p_date", "tomorrow"),
        ("p_datetime", "soon"),
        ("p_bool", "True"),
        ("p_enumeration", "b"),
        ("email", "no-address"),
    ],
)
def test_values_that_do_not_fit(portal: HubspotPortal, name: str, value: object) -> None:
    """A value of the wrong form or type is refused, and no contact is left behind."""
    with pytest.raises(HubspotError) as caught:
        portal.create({"email": "a@example.com", name: value})
    assert (caught.value.status, caught.value.category) == (400, "VALIDATION_ERROR")
    assert not portal.contacts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p_number", "-24.99"),
        ("p_date", "2026-11-22"),
        ("p_date", "1763769600000"),
        ("p_datetime", "2026-11-22T10:00:00.000Z"),
        ("p_datetime", "1763769600001"),
        ("p_bool", "false"),
        ("p_enumeration", "a"),
    ],
)
def test_values_that_fit(portal: HubspotPortal, name: str, value: str) -> None:
    """A value of the documented form is kept, and an empty one clears it."""
    contact = portal.create({name: value})
    assert portal.contacts[contact] == {name: value}
    portal.change(contact, {name: ""})
    assert portal.contacts[contact] == {}


def test_addresses_and_keys_are_unique(portal: HubspotPortal) -> None:
    """A second contact with an address is a conflict that names the first; with a key it is a bad value."""
    first = portal.create({"email": "a@example.com", "p_key": "k1"})
    with pytest.raises(HubspotError, match=f"Existing ID: {first}"):
        portal.create({"email": "A@example.com"})
    with pytest.raises(HubspotError, match="already has that value"):
        portal.create({"p_key": "k1"})


def test_upserting_by_address_is_not_offered(portal: HubspotPortal) -> None:
    """Partial upserts by e-mail address are refused, as documented."""
    with pytest.raises(HubspotError):
        portal.upsert({"idProperty": "email", "id": "a@example.com", "properties": {}})
    with pytest.raises(HubspotError):
        portal.upsert({"idProperty": "p_string", "id": "x", "properties": {}})


@pytest.mark.parametrize(
    "inputs",
    [
        None,
        [],
        [{"id": str(number), "properties": {}} for number in range(101)],
        [{"id": "a", "properties": {}}, {"id": "A", "properties": {}}],
        [{"properties": {}}],
        [{"id": "a", "properties": {"p": 1}}],
    ],
)
def test_batches_that_are_none(inputs: object) -> None:
    """Too many, none, one twice, one without an id, or a value that is no string: the whole batch is refused."""
    with pytest.raises(HubspotError):
        check_inputs(inputs, "id")


@pytest.mark.parametrize(
    "definition",
    [
        _definition("p_string", "string", "text"),
        _definition("Upper", "string", "text"),
        _definition("p_x", "number", "date"),
        _definition("p_x", "enumeration", "select"),
        {**_definition("p_x", "string", "text"), "groupName": "unknown"},
        {"name": "p_x"},
    ],
)
def test_definitions_that_are_refused(portal: HubspotPortal, definition: dict[str, Any]) -> None:
    """A property that exists, or that HubSpot could not make, is not made."""
    with pytest.raises(HubspotError):
        portal.define(definition)


def test_ten_unique_properties_at_most(portal: HubspotPortal) -> None:
    """An object type has at most ten unique properties."""
    for number in range(9):
        portal.define(_definition(f"u_{number}", "string", "text", hasUniqueValue=True))
    with pytest.raises(HubspotError):
        portal.define(_definition("u_9", "string", "text", hasUniqueValue=True))
