"""The API paths of the fake HubSpot, over a portal in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from fakes.hubspot_errors import HubspotError
from fakes.hubspot_portal import HubspotPortal, check_inputs

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

HubspotReply: TypeAlias = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class HubspotRequest:
    """A request: its JSON, the contact in its path, the property that identifies the contact, and the query."""

    body: Mapping[str, Any]
    contact: str
    by: str | None
    query: Mapping[str, str]


@dataclass(slots=True)
class HubspotApi:
    """The API of one portal.

    With `multi_status` an invalid record is reported in a 207 by its trace id, if all records have one; without it,
    one invalid record fails the whole batch. HubSpot does either.
    """

    multi_status: bool = True
    portal: HubspotPortal = field(default_factory=HubspotPortal)

    def paths(self) -> Iterator[tuple[str, str, Callable[[HubspotRequest], HubspotReply]]]:
        """Yield each path of each API version with its method and its handler."""
        for contacts, properties in _VERSIONS.items():
            yield f"{contacts}/batch/upsert", "POST", self.upsert
            yield f"{contacts}/batch/read", "POST", self.read
            yield f"{contacts}/batch/update", "POST", self.update
            yield f"{contacts}/batch/archive", "POST", self.archive
            yield f"{contacts}/{{contact}}", "PATCH", self.patch
            yield properties, "GET", self.definitions
            yield f"{properties}/groups", "POST", self.group
            yield f"{properties}/{{contact}}", "PATCH", self.change_definition
            yield f"{properties}/batch/create", "POST", self.define
        for sending, definitions in _EVENTS.items():
            yield definitions, "GET", self.event_definitions
            yield definitions, "POST", self.define_event
            yield f"{definitions}/{{contact}}/property", "POST", self.add_event_property
            yield f"{sending}/batch", "POST", self.send_events

    def upsert(self, request: HubspotRequest) -> HubspotReply:
        """Create or change contacts; report each by its trace id, or refuse all of them for one."""
        inputs = check_inputs(request.body.get("inputs"), "id", "idProperty")
        for wanted in inputs:
            for name in wanted["properties"]:
                if name not in self.portal.definitions:
                    self.portal.check(name, "")  # an unknown property fails the request before any change
        results, errors = [], []
        traced = self.multi_status and all(wanted.get("objectWriteTraceId") for wanted in inputs)
        before = {} if traced else {contact: dict(has) for contact, has in self.portal.contacts.items()}
        for wanted in inputs:
            trace = wanted.get("objectWriteTraceId")
            try:
                contact, new = self.portal.upsert(wanted)
            except HubspotError as refused:
                if not traced:
                    self.portal.contacts = before
                    raise
                errors.append(refused.body(trace))
            else:
                traced_by = {"objectWriteTraceId": trace} if trace else {}
                results.append({**self.contact_body(contact), "new": new, **traced_by})
        answer = {"status": "COMPLETE", "results": results}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def read(self, request: HubspotRequest) -> HubspotReply:
        """Return contacts; a missing one is an error of a 207."""
        inputs = check_inputs(request.body.get("inputs"), "id")
        if not all(
            isinstance(request.body.get(name), list) for name in ("properties", "propertiesWithHistory")
        ):
            raise HubspotError(
                400, "VALIDATION_ERROR", "Invalid input JSON: properties, propertiesWithHistory"
            )
        found = {
            wanted["id"]: self.portal.find(wanted["id"], request.body.get("idProperty")) for wanted in inputs
        }
        results = [self.contact_body(contact) for contact in found.values() if contact]
        missing = [id_ for id_, contact in found.items() if not contact]
        if not missing:
            return 200, {"status": "COMPLETE", "results": results}
        error = {**HubspotError(404, "OBJECT_NOT_FOUND", "Could not get some CONTACT objects").body()}
        error["context"] = {"ids": missing}
        return 207, {"status": "COMPLETE", "results": results, "numErrors": len(missing), "errors": [error]}

    def update(self, request: HubspotRequest) -> HubspotReply:
        """Change existing contacts; report each by its trace id, or refuse all of them for one."""
        inputs = check_inputs(request.body.get("inputs"), "id")
        traced = self.multi_status and all(wanted.get("objectWriteTraceId") for wanted in inputs)
        before = {} if traced else {contact: dict(has) for contact, has in self.portal.contacts.items()}
        results, errors = [], []
        for wanted in inputs:
            trace = wanted.get("objectWriteTraceId")
            try:
                self.portal.update(wanted["id"], None, wanted["properties"])
            except HubspotError as refused:
                if not traced:
                    self.portal.contacts = before
                    raise
                errors.append(refused.body(trace))
            else:
                results.append(self.contact_body(wanted["id"]))
        answer = {"status": "COMPLETE", "results": results}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def archive(self, request: HubspotRequest) -> HubspotReply:
        """Put contacts into the bin; one that is not there is no error."""
        for wanted in check_inputs(request.body.get("inputs"), "id"):
            self.portal.archive(wanted["id"])
        return 204, {}

    def event_definitions(self, request: HubspotRequest) -> HubspotReply:
        """Return one page of the custom event definitions."""
        known = self.portal.events.list_definitions()
        start, size = int(request.query.get("after", 0)), int(request.query.get("limit", 10))
        next_page = {"paging": {"next": {"after": str(start + size)}}} if start + size < len(known) else {}
        return 200, {"total": len(known), "results": known[start : start + size], **next_page}

    def define_event(self, request: HubspotRequest) -> HubspotReply:
        """Define a custom event."""
        return 201, self.portal.events.define(request.body)

    def add_event_property(self, request: HubspotRequest) -> HubspotReply:
        """Add a property to a custom event."""
        return 201, self.portal.events.add_property(request.contact, request.body)

    def send_events(self, request: HubspotRequest) -> HubspotReply:
        """Record a batch of custom events; the answer is a 204 without content."""
        self.portal.events.record(request.body.get("inputs"), self.portal.contacts)
        return 204, {}

    def patch(self, request: HubspotRequest) -> HubspotReply:
        """Change one contact."""
        contact = self.portal.update(request.contact, request.by, request.body.get("properties") or {})
        return 200, self.contact_body(contact)

    def definitions(self, _: HubspotRequest) -> HubspotReply:
        """Return the property definitions."""
        return 200, {"results": list(self.portal.definitions.values())}

    def group(self, request: HubspotRequest) -> HubspotReply:
        """Add a property group."""
        self.portal.make_group(request.body.get("name"))
        return 201, {"name": request.body["name"], "label": request.body.get("label", ""), "archived": False}

    def define(self, request: HubspotRequest) -> HubspotReply:
        """Add properties; an existing one is an error of a 207."""
        inputs = request.body.get("inputs") or []
        errors = []
        for definition in inputs:
            try:
                self.portal.define(definition)
            except HubspotError as refused:
                errors.append(refused.body())
        answer = {"status": "COMPLETE", "results": inputs}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (201, answer)

    def change_definition(self, request: HubspotRequest) -> HubspotReply:
        """Change a property's definition; a list of options replaces the former one."""
        known = self.portal.definitions.get(request.contact)
        if known is None:
            raise HubspotError(404, "OBJECT_NOT_FOUND", "Property not found")
        options = request.body.get("options") or []
        for option in options:
            if not isinstance(option.get("label"), str) or not isinstance(option.get("value"), str):
                raise HubspotError(400, "VALIDATION_ERROR", "an option needs a label and a value")
        for name in ("label", "value"):
            if len({option[name].strip().lower() for option in options}) < len(options):
                raise HubspotError(400, "VALIDATION_ERROR", f"Property option {name}s must be unique.")
        if len(options) > self.portal.options_at_most:
            raise HubspotError(400, "VALIDATION_ERROR", "The maximum number of options is exceeded")
        known.update(request.body)
        return 200, known

    def contact_body(self, contact: str) -> dict[str, Any]:
        """Return a contact in the form of the API."""
        return {"id": contact, "properties": dict(self.portal.contacts[contact]), "archived": False}
