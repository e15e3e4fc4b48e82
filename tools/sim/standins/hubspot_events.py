"""Custom events of a HubSpot portal, in memory: what is defined, and what took place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from sim.standins.refusing import RefusedError

LARGEST_BATCH: Final = 500
_PORTAL: Final = "pe101_"
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,99}")
_TYPES: Final = frozenset({"string", "number", "enumeration", "datetime"})


@dataclass(slots=True)
class Events:
    """`definitions` by the name that HubSpot makes of theirs; `occurrences` by their uuid. Off: 403."""

    on: bool = True
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    occurrences: dict[str, dict[str, Any]] = field(default_factory=dict)

    def known(self) -> list[dict[str, Any]]:
        """Return the definitions."""
        self._have()
        return list(self.definitions.values())

    def define(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Add a definition."""
        self._have()
        name = str(wanted.get("name", ""))
        defaults = isinstance(wanted.get("includeDefaultProperties"), bool)
        carried = wanted.get("propertyDefinitions")
        typed = isinstance(carried, list) and all(
            each.get("type") in _TYPES and each.get("label") for each in carried
        )
        contact = wanted.get("primaryObject") == "CONTACT"
        if not (_NAME.fullmatch(name) and wanted.get("label") and contact and defaults and typed):
            raise RefusedError(400, "VALIDATION_ERROR", "Invalid event definition")
        full = _PORTAL + name
        if full in self.definitions:
            raise RefusedError(409, "CONFLICT", f"An event named {name} already exists")
        self.definitions[full] = {**wanted, "fullyQualifiedName": full}
        return self.definitions[full]

    def happen(self, inputs: object, contacts: Mapping[str, Any]) -> None:
        """Take a batch; the same uuid counts once. All or nothing."""
        self._have()
        if not isinstance(inputs, list) or not 0 < len(inputs) <= LARGEST_BATCH:
            raise RefusedError(400, "VALIDATION_ERROR", f"inputs must be 1 to {LARGEST_BATCH} items")
        for occurrence in inputs:
            self._check(occurrence, contacts)
        for occurrence in inputs:
            self.occurrences.setdefault(str(occurrence["uuid"]), occurrence)

    def _have(self) -> None:
        if not self.on:
            raise RefusedError(403, "MISSING_SCOPES", "This portal has no custom events")

    def _check(self, occurrence: Mapping[str, Any], contacts: Mapping[str, Any]) -> None:
        definition = self.definitions.get(str(occurrence.get("eventName")))
        if definition is None:
            raise RefusedError(400, "VALIDATION_ERROR", "No event definition by this name")
        known = {carried["name"]: carried["type"] for carried in definition["propertyDefinitions"]}
        told = occurrence.get("properties")
        if not isinstance(told, Mapping) or not all(_fits(known.get(name), told[name]) for name in told):
            raise RefusedError(
                400, "VALIDATION_ERROR", "Properties that the event does not have, or not of their type"
            )
        if not occurrence.get("email") and occurrence.get("objectId") not in contacts:
            raise RefusedError(400, "VALIDATION_ERROR", "Nobody to whom this happened")
        if not _parses(datetime.fromisoformat, occurrence.get("occurredAt")) or not _parses(
            UUID, occurrence.get("uuid")
        ):
            raise RefusedError(400, "VALIDATION_ERROR", "occurredAt or uuid is none")


def _fits(kind: str | None, value: object) -> bool:
    """Say whether a value is one of a property; every value is told as a string."""
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
