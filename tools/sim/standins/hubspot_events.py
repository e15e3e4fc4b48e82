"""Custom events of a HubSpot portal, in memory: what is defined, and what took place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sim.standins.refusing import RefusedError

LARGEST_BATCH: Final = 500
_PORTAL: Final = "pe101_"
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,99}")


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
        if not _NAME.fullmatch(name) or not wanted.get("label") or wanted.get("primaryObject") != "CONTACT":
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
        known = {carried["name"] for carried in definition.get("propertyDefinitions", ())}
        told = occurrence.get("properties", {})
        if not set(told) <= known or not all(isinstance(value, str) for value in told.values()):
            raise RefusedError(
                400, "VALIDATION_ERROR", "Properties that the event does not have, or no strings"
            )
        if not occurrence.get("email") and occurrence.get("objectId") not in contacts:
            raise RefusedError(400, "VALIDATION_ERROR", "Nobody to whom this happened")
        datetime.fromisoformat(str(occurrence.get("occurredAt")))
