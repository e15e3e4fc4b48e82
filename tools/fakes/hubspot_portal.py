"""A HubSpot portal in memory: property definitions, contacts, and the validation of both."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fakes.hubspot_errors import HubspotError
from fakes.hubspot_events import HubspotEvents

LARGEST_BATCH: Final = 100
UNIQUE_AT_MOST: Final = 10

_DAY_MS: Final = 86_400_000
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PLAIN_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_FIELD_TYPES: Final = {
    "string": {"text", "textarea", "phonenumber"},
    "number": {"number", "text"},
    "date": {"date"},
    "datetime": {"date"},
    "bool": {"booleancheckbox", "calculation_equation"},
    "enumeration": {"select", "radio", "checkbox", "booleancheckbox"},
    "phone_number": {"phonenumber"},
}
_REQUIRED: Final = ("name", "label", "type", "fieldType", "groupName")


def _native() -> dict[str, dict[str, Any]]:
    kinds = {"email": "string", "firstname": "string", "lastname": "string", "phone": "string"}
    return {name: {"name": name, "type": kind, "hasUniqueValue": False} for name, kind in kinds.items()}


@dataclass(slots=True)
class HubspotPortal:
    """The data of one account. `contacts` is by id; `required` are the properties that an administrator requires.

    `archived` are those in the bin, as they were. `secondary` are further addresses of contacts, each with the contact's id: a merge leaves them.
    """

    definitions: dict[str, dict[str, Any]] = field(default_factory=_native)
    groups: set[str] = field(default_factory=lambda: {"contactinformation"})
    contacts: dict[str, dict[str, str]] = field(default_factory=dict)
    archived: dict[str, dict[str, str]] = field(default_factory=dict)
    events: HubspotEvents = field(default_factory=HubspotEvents)
    required: set[str] = field(default_factory=set)
    secondary: dict[str, str] = field(default_factory=dict)
    properties_at_most: int = 1000
    options_at_most: int = 5000
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(101))
    # The contact of each unique value: a linear search would take hours with 40,000 contacts.
    _index: dict[tuple[str, str], str] = field(default_factory=dict)
    _indexed: tuple[int, int] = (0, 0)

    # ------------------------------------------------------------ definitions

    def make_group(self, name: object) -> None:
        """Add a property group."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise HubspotError(400, "VALIDATION_ERROR", "Invalid property group name")
        if name in self.groups:
            raise HubspotError(409, "CONFLICT", f"Property group {name} already exists")
        self.groups.add(name)

    def define(self, definition: Mapping[str, Any]) -> None:
        """Add a property."""
        missing = [name for name in _REQUIRED if not isinstance(definition.get(name), str)]
        if missing:
            raise HubspotError(400, "VALIDATION_ERROR", f"Required fields are missing: {missing}")
        name, kind, group = definition["name"], definition["type"], definition["groupName"]
        if name in self.definitions:
            raise HubspotError(409, "CONFLICT", f"A property named '{name}' already exists.")
        if group not in self.groups:
            raise HubspotError(400, "VALIDATION_ERROR", f"Property group {group} does not exist")
        if not _NAME.fullmatch(name) or definition["fieldType"] not in _FIELD_TYPES.get(kind, ()):
            raise HubspotError(
                400, "VALIDATION_ERROR", f"Property {name}: type and fieldType do not go together"
            )
        if kind in {"enumeration", "bool"} and not definition.get("options"):
            raise HubspotError(400, "VALIDATION_ERROR", f"Property {name} needs options")
        if len(self.definitions) >= self.properties_at_most:
            raise HubspotError(400, "VALIDATION_ERROR", "You have reached the limit of custom properties")
        unique = sum(bool(known.get("hasUniqueValue")) for known in self.definitions.values())
        if definition.get("hasUniqueValue") and unique >= UNIQUE_AT_MOST:
            raise HubspotError(400, "VALIDATION_ERROR", "Too many unique properties")
        self.definitions[name] = dict(definition)

    # --------------------------------------------------------------- contacts

    def find(self, value: str, by: str | None) -> str | None:
        """Return the id of the contact with this id, or with this value of a unique property."""
        if by is None or by == "hs_object_id":
            return value if value in self.contacts else None
        if by != "email" and not self.definitions.get(by, {}).get("hasUniqueValue"):
            raise HubspotError(
                400, "VALIDATION_ERROR", f"{by} is not a unique property", "INVALID_ID_PROPERTY"
            )
        if self._indexed != (id(self.contacts), len(self.contacts)):
            self._index = {
                (name, text.lower()): contact
                for contact, has in self.contacts.items()
                for name, text in has.items()
            }
            self._indexed = (id(self.contacts), len(self.contacts))
        found = self._index.get((by, value.lower()))
        held = self.contacts.get(found or "", {}).get(by, "")
        return found if held.lower() == value.lower() else None

    def create(self, properties: Mapping[str, Any]) -> str:
        """Add a contact; return its id."""
        contact = str(next(self._ids))
        self._write(contact, {}, properties)
        return contact

    def change(self, contact: str, properties: Mapping[str, Any]) -> None:
        """Set properties of a contact; an empty value clears."""
        self._write(contact, self.contacts[contact], properties)

    def update(self, contact: str, by: str | None, properties: Mapping[str, Any]) -> str:
        """Set properties of an existing contact; return its id."""
        found = self.find(contact, by)
        if found is None:
            raise HubspotError(404, "OBJECT_NOT_FOUND", "resource not found")
        self.change(found, properties)
        return found

    def archive(self, contact: str) -> None:
        """Put a contact into the bin: it is found no more, and its address is free."""
        if contact in self.contacts:
            self.archived[contact] = self.contacts.pop(contact)

    def upsert(self, wanted: Mapping[str, Any]) -> tuple[str, bool]:
        """Create or change the contact of one batch input; return its id and whether it is new."""
        by, value = wanted["idProperty"], wanted["id"]
        if by == "email":
            raise HubspotError(400, "VALIDATION_ERROR", "Partial upserts are not supported with email")
        contact = self.find(value, by)
        if contact is None:
            return self.create({by: value, **wanted["properties"]}), True
        self.change(contact, wanted["properties"])
        return contact, False

    def _write(self, contact: str, known: Mapping[str, str], properties: Mapping[str, Any]) -> None:
        for name, value in properties.items():
            self.check(name, value)
            self._check_unique(contact, name, value)
        held = {name: value for name, value in {**known, **properties}.items() if value != ""}
        for name in sorted(self.required - held.keys()):
            raise HubspotError(400, "VALIDATION_ERROR", f"{name} is required", "REQUIRED_PROPERTY", name)
        self.contacts[contact] = held
        for name, value in properties.items():
            if name == "email" or self.definitions[name].get("hasUniqueValue"):
                self._index[name, value.lower()] = contact
        self._indexed = (id(self.contacts), len(self.contacts))

    def check(self, name: str, value: object) -> None:
        """Refuse a value that is invalid for the property."""
        definition = self.definitions.get(name)
        if definition is None:
            raise HubspotError(
                400,
                "VALIDATION_ERROR",
                f'Property values were not valid: [{{"isValid":false,"message":"Property \\"{name}\\" does not '
                f'exist","error":"PROPERTY_DOESNT_EXIST","name":"{name}"}}]',
                "PROPERTY_DOESNT_EXIST",
                name,
            )
        if not isinstance(value, str):
            raise HubspotError(
                400, "VALIDATION_ERROR", "Invalid input JSON: a property value is not a string"
            )
        if value and not _fits(definition, value):
            code = "INVALID_EMAIL" if name == "email" else _code(str(definition["type"]))
            wrong = json.dumps(
                [{"isValid": False, "message": f"{value} was not valid", "error": code, "name": name}]
            )
            raise HubspotError(
                400, "VALIDATION_ERROR", f"Property values were not valid: {wrong}", code, name
            )

    def _check_unique(self, contact: str, name: str, value: str) -> None:
        if not value or (name != "email" and not self.definitions[name].get("hasUniqueValue")):
            return
        other = self.find(value, name)
        if name == "email" and value.lower() in self.secondary:
            # Also the contact's own other address is refused as its new primary one, with its own id.
            other = self.secondary[value.lower()]
        elif other in {None, contact}:
            return
        if name == "email":
            raise HubspotError(409, "CONFLICT", f"Contact already exists. Existing ID: {other}")
        raise HubspotError(
            400,
            "VALIDATION_ERROR",
            f"Cannot set {name}: {other} already has that value",
            "CONFLICTING_UNIQUE_VALUE",
            name,
        )


def check_inputs(inputs: object, *needed: str) -> Sequence[Mapping[str, Any]]:
    """Refuse an invalid batch as a whole: too large, empty, a missing text, or one id twice."""
    if not isinstance(inputs, list) or not 0 < len(inputs) <= LARGEST_BATCH:
        raise HubspotError(400, "VALIDATION_ERROR", f"inputs must be 1 to {LARGEST_BATCH} items")
    for wanted in inputs:
        missing = [name for name in needed if not isinstance(wanted.get(name), str)]
        values = wanted.get("properties", {}).values()
        if missing or not all(isinstance(value, str) for value in values):
            raise HubspotError(400, "VALIDATION_ERROR", f"Invalid input JSON: {missing or 'properties'}")
    ids = [wanted["id"].lower() for wanted in inputs]
    if len(set(ids)) < len(ids):
        raise HubspotError(400, "VALIDATION_ERROR", "Duplicate IDs found in batch input. IDs must be unique")
    return inputs


def _code(kind: str) -> str:
    """Return HubSpot's code of a value that does not fit: of a choice, that it is no option."""
    return "INVALID_OPTION" if kind == "enumeration" else f"INVALID_{kind.upper()}"


def _fits(definition: Mapping[str, Any], value: str) -> bool:
    match definition["type"]:
        case "number":
            return bool(_PLAIN_NUMBER.fullmatch(value)) and _is_number(value)
        case "bool":
            return value in {"true", "false"}
        case "enumeration":
            return value in {option["value"] for option in definition["options"]}
        case "date":
            moment = _moment(value)
            return moment is not None and moment % _DAY_MS == 0
        case "datetime":
            return _moment(value) is not None
        case _:
            return definition["name"] != "email" or bool(_EMAIL.fullmatch(value))


def _is_number(value: str) -> bool:
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _moment(value: str) -> int | None:
    """Return milliseconds since 1970 of an ISO-8601 text (UTC where it names no zone) or of such a number."""
    if value.isdigit():
        return int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
