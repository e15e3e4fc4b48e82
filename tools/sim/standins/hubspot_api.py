"""What HubSpot's API does for each of its paths, on a portal in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sim.standins.hubspot_portal import Portal, check_inputs
from sim.standins.refusing import RefusedError

_VERSIONS: Final = {
    "/crm/v3/objects/contacts": "/crm/v3/properties/contacts",
    "/crm/objects/2026-03/contacts": "/crm/properties/2026-03/contacts",
    "/crm/objects/2026-09/contacts": "/crm/properties/2026-09/contacts",
}
_EVENTS: Final = {
    "/events/v3/send": "/events/v3/event-definitions",
    "/events/2026-03/send": "/events/2026-03/event-definitions",
    "/events/custom/2026-09/send": "/events/custom/2026-09/event-definitions",
}

Answer: TypeAlias = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: its JSON, the contact in its path, and by which property that is named."""

    body: Mapping[str, Any]
    contact: str
    by: str | None
    query: Mapping[str, str]


@dataclass(slots=True)
class Api:
    """The API of one portal.

    With `multi_status` a fault of one record is told within a 207, by its trace id, where all records have
    one; else the whole batch is refused for it. HubSpot is seen to do either.
    """

    multi_status: bool = True
    portal: Portal = field(default_factory=Portal)

    def paths(self) -> Iterator[tuple[str, str, Callable[[Asked], Answer]]]:
        """Yield each path of each version, its method and what answers it."""
        for contacts, properties in _VERSIONS.items():
            yield f"{contacts}/batch/upsert", "POST", self.upsert
            yield f"{contacts}/batch/read", "POST", self.read
            yield f"{contacts}/batch/update", "POST", self.update
            yield f"{contacts}/{{contact}}", "PATCH", self.patch
            yield properties, "GET", self.definitions
            yield f"{properties}/groups", "POST", self.group
            yield f"{properties}/batch/create", "POST", self.define
        for sending, definitions in _EVENTS.items():
            yield definitions, "GET", self.event_definitions
            yield definitions, "POST", self.define_event
            yield f"{sending}/batch", "POST", self.happen

    def upsert(self, asked: Asked) -> Answer:
        """Create or change contacts: each told by its trace id, or all refused for one."""
        inputs = check_inputs(asked.body.get("inputs"), "id", "idProperty")
        for wanted in inputs:
            for name in wanted["properties"]:
                if name not in self.portal.definitions:
                    self.portal.check(name, "")  # what is not defined is refused before anything is done
        results, errors = [], []
        traced = self.multi_status and all(wanted.get("objectWriteTraceId") for wanted in inputs)
        before = {} if traced else {contact: dict(has) for contact, has in self.portal.contacts.items()}
        for wanted in inputs:
            trace = wanted.get("objectWriteTraceId")
            try:
                contact, new = self.portal.upsert(wanted)
            except RefusedError as refused:
                if not traced:
                    self.portal.contacts = before
                    raise
                errors.append(refused.body(trace))
            else:
                told = {"objectWriteTraceId": trace} if trace else {}
                results.append({**self.shown(contact), "new": new, **told})
        answer = {"status": "COMPLETE", "results": results}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def read(self, asked: Asked) -> Answer:
        """Show contacts; who is not there is an error of a 207."""
        inputs = check_inputs(asked.body.get("inputs"), "id")
        if not all(
            isinstance(asked.body.get(name), list) for name in ("properties", "propertiesWithHistory")
        ):
            raise RefusedError(
                400, "VALIDATION_ERROR", "Invalid input JSON: properties, propertiesWithHistory"
            )
        found = {
            wanted["id"]: self.portal.find(wanted["id"], asked.body.get("idProperty")) for wanted in inputs
        }
        results = [self.shown(contact) for contact in found.values() if contact]
        lost = [id_ for id_, contact in found.items() if not contact]
        if not lost:
            return 200, {"status": "COMPLETE", "results": results}
        error = {**RefusedError(404, "OBJECT_NOT_FOUND", "Could not get some CONTACT objects").body()}
        error["context"] = {"ids": lost}
        return 207, {"status": "COMPLETE", "results": results, "numErrors": len(lost), "errors": [error]}

    def update(self, asked: Asked) -> Answer:
        """Change contacts that are there."""
        results, errors = [], []
        for wanted in check_inputs(asked.body.get("inputs"), "id"):
            trace = wanted.get("objectWriteTraceId")
            try:
                self.portal.update(wanted["id"], None, wanted["properties"])
            except RefusedError as refused:
                errors.append(refused.body(trace))
            else:
                results.append(self.shown(wanted["id"]))
        answer = {"status": "COMPLETE", "results": results}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def event_definitions(self, asked: Asked) -> Answer:
        """Show the custom events, page by page."""
        known = self.portal.events.known()
        start, size = int(asked.query.get("after", 0)), int(asked.query.get("limit", 10))
        more = {"paging": {"next": {"after": str(start + size)}}} if start + size < len(known) else {}
        return 200, {"total": len(known), "results": known[start : start + size], **more}

    def define_event(self, asked: Asked) -> Answer:
        """Add a custom event."""
        return 201, self.portal.events.define(asked.body)

    def happen(self, asked: Asked) -> Answer:
        """Take occurrences of custom events; a 204 names none."""
        self.portal.events.happen(asked.body.get("inputs"), self.portal.contacts)
        return 204, {}

    def patch(self, asked: Asked) -> Answer:
        """Change one contact."""
        contact = self.portal.update(asked.contact, asked.by, asked.body.get("properties") or {})
        return 200, self.shown(contact)

    def definitions(self, _: Asked) -> Answer:
        """Show the properties."""
        return 200, {"results": list(self.portal.definitions.values())}

    def group(self, asked: Asked) -> Answer:
        """Add a property group."""
        self.portal.make_group(asked.body.get("name"))
        return 201, {"name": asked.body["name"], "label": asked.body.get("label", ""), "archived": False}

    def define(self, asked: Asked) -> Answer:
        """Add properties; one that is there already is an error of a 207."""
        inputs = asked.body.get("inputs") or []
        errors = []
        for definition in inputs:
            try:
                self.portal.define(definition)
            except RefusedError as refused:
                errors.append(refused.body())
        answer = {"status": "COMPLETE", "results": inputs}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (201, answer)

    def shown(self, contact: str) -> dict[str, Any]:
        """Return a contact as the API shows it."""
        return {"id": contact, "properties": dict(self.portal.contacts[contact]), "archived": False}
