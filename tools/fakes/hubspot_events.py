"""The custom events of the fake HubSpot portal: definitions and recorded occurrences, in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from fakes.hubspot_errors import HubspotError

LARGEST_BATCH: Final = 500
_PORTAL: Final = "pe101_"
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,99}")
_TYPES: Final = frozenset({"string", "number", "enumeration", "datetime"})


@dataclass(slots=True)
class HubspotEvents:
    """`definitions` by fully qualified name, `occurrences` by uuid. With `on` false every call is a 403."""

    on: bool = True
    definitions_at_most: int = 500
    properties_at_most: int = 50
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    occurrences: dict[str, dict[str, Any]] = field(default_factory=dict)

    def list_definitions(self) -> list[dict[str, Any]]:
        """Return the definitions."""
        self._check_enabled()
        return list(self.definitions.values())

    def define(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Add a definition."""
        self._check_enabled()
        name = str(wanted.get("name", ""))
        defaults = isinstance(wanted.get("includeDefaultProperties"), bool)
        carried = wanted.get("propertyDefinitions")
        typed = isinstance(carried, list) and all(
            each.get("type") in _TYPES and each.get("label") for each in carried
        )
        contact = wanted.get("primaryObject") == "CONTACT"
        if not (_NAME.fullmatch(name) and wanted.get("label") and contact and defaults and typed):
            raise HubspotError(400, "VALIDATION_ERROR", "Invalid event definition")
        full = _PORTAL + name
        if full in self.definitions:
            raise HubspotError(409, "CONFLICT", f"An event named {name} already exists")
        if len(self.definitions) >= self.definitions_at_most:
            raise HubspotError(400, "VALIDATION_ERROR", "Maximum number of event definitions reached")
        self.definitions[full] = {**wanted, "fullyQualifiedName": full}
        return self.definitions[full]

    def add_property(self, full_name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Add a property to a definition."""
        self._check_enabled()
        known = self.definitions.get(full_name)
        if known is None:
            raise HubspotError(404, "OBJECT_NOT_FOUND", "No event definition by this name")
        if wanted.get("type") not in _TYPES or not wanted.get("name") or not wanted.get("label"):
            raise HubspotError(400, "VALIDATION_ERROR", "Invalid property")
        if len(known["propertyDefinitions"]) >= self.properties_at_most:
            raise HubspotError(400, "VALIDATION_ERROR", "Maximum number of properties reached")
        known["propertyDefinitions"] = [*known["propertyDefinitions"], dict(wanted)]
        return dict(wanted)

    def record(self, inputs: object, contacts: Mapping[str, Any]) -> None:
        """Record a batch, all or nothing; a repeated uuid counts once."""
        self._check_enabled()
        if not isinstance(inputs, list) or not 0 < len(inputs) <= LARGEST_BATCH:
            raise HubspotError(400, "VALIDATION_ERROR", f"inputs must be 1 to {LARGEST_BATCH} items")
        for occurrence in inputs:
            self._check(occurrence, contacts)
        for occurrence in inputs:
            self.occurrences.setdefault(str(occurrence["uuid"]), occurrence)

    def _check_enabled(self) -> None:
        if not self.on:
            raise HubspotError(403, "MISSING_SCOPES", "This portal has no custom events")

    def _check(self, occurrence: Mapping[str, Any], contacts: Mapping[str, Any]) -> None:
        definition = self.definitions.get(str(occurrence.get("eventName")))
        if definition is None:
            raise HubspotError(400, "VALIDATION_ERROR", "No event definition by this name")
        known = {carried["name"]: carried["type"] for carried in definition["propertyDefinitions"]}
        given = occurrence.get("properties")
        if not isinstance(given, Mapping) or not all(_fits(known.get(name), given[name]) for name in given):
            raise HubspotError(400, "VALIDATION_ERROR", "Unknown properties, or values of another type")
        if not occurrence.get("email") and occurrence.get("objectId") not in contacts:
            raise HubspotError(400, "VALIDATION_ERROR", "The event names no contact")
        if not _parses(datetime.fromisoformat, occurrence.get("occurredAt")) or not _parses(
            UUID, occurrence.get("uuid")
        ):
            raise HubspotError(400, "VALIDATION_ERROR", "occurredAt or uuid is invalid")


def _fits(kind: str | None, value: object) -> bool:
    """Return whether a string is a valid value of this property type."""
    readers: dict[str, Callable[[str], object]] = {
        "number": Decimal,
        "datetime": datetime.fromisoformat,
        "string": str,
    }
    return isinstance(value, str) and kind in readers and _parses(readers[kind], value)


def _parses(read: Callable[[str], object], value: object) -> bool:
    try:
        read(str(value))
    except (ValueError, InvalidOperation):
        return False
    return True
