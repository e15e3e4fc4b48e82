"""Notes become HubSpot's custom events, up to five hundred in a call, if the portal has them and a setting asks for them.

Custom events need an Enterprise hub. A portal without them answers 403, and this environment then sends it no more. An
event is sent under a name that HubSpot makes of our name and the portal's id, so the definitions are read once. The
event's `uuid` follows from the effect's id: of two alike HubSpot keeps the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid5

from relay.adapters.fault_table import MOST_HALVINGS
from relay.adapters.http import CrmUnavailableError, objects_in
from relay.adapters.hubspot.client import HubspotClient
from relay.adapters.hubspot.mapping import encode
from relay.model.effects import Note
from relay.model.fields import ValueKind
from relay.model.messages import EventEffects, MemberChanged, notes_in
from relay.model.timeline_events import TIMELINE_EVENTS, properties_of
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.timeline import with_common_properties

EVENTS_PER_CALL: Final = 500
_DEFINITIONS_PER_PAGE: Final = 100
_MAX_PAGES: Final = 20
"""A portal has at most 500 definitions."""

_NAMESPACE: Final = UUID("5c4c9c53-6d0a-5f5b-9a0e-3f1d0c8f7a21")
"""The namespace of our events' ids. With another one, every event of the past year would appear again."""

_UNSUPPORTED: Final = CrmOutcome(state="skipped", reason="this portal has no custom events")
_UNKNOWN: Final = CrmOutcome(state="skipped", reason="no event by this name")
_UNDEFINED: Final = CrmOutcome(state="waiting", reason="event_not_defined")
_BACKFILL: Final = CrmOutcome(state="skipped", reason="backfill")
_DEFINED: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.CONFLICT})
_TYPES: Final = {ValueKind.MONEY: "number", ValueKind.COUNT: "number", ValueKind.MOMENT: "datetime"}


_EVENT_REFUSED: Final = CrmOutcome(state="waiting", reason="event_refused")


@dataclass(frozen=True, slots=True)
class _Definition:
    """An event that the portal has: its full name, and what it carries."""

    full_name: str
    properties: frozenset[str]


@dataclass(slots=True)
class HubspotTimeline:
    """The custom events of one portal."""

    client: HubspotClient
    _names: dict[str, str] = field(default_factory=dict)
    _unsupported: bool = False

    def record(
        self, changes: Sequence[MemberChanged], contacts: Mapping[str, ContactRef]
    ) -> dict[str, CrmOutcome]:
        """Send the notes of these changes; return an outcome for each, by effect id."""
        outcomes: dict[str, CrmOutcome] = {}
        occurrences: dict[str, dict[str, Any]] = {}
        notes = list(notes_in(changes))
        try:
            names = self._event_names() if notes else {}
            for note_id, change, event_effects, note in notes:
                if self._is_unsupported():
                    outcomes[note_id] = _UNSUPPORTED
                elif change.backfill:
                    # Every HubSpot event can start a workflow: a back-fill's are not sent at all.
                    outcomes[note_id] = _BACKFILL
                elif note.name not in names:
                    # One event that cannot be defined concerns its own notes alone.
                    outcomes[note_id] = _UNDEFINED if note.name in TIMELINE_EVENTS else _UNKNOWN
                else:
                    contact = contacts.get(change.member, ContactRef(key=change.member))
                    occurrences[note_id] = _occurrence(
                        note_id, names[note.name], event_effects, note, contact
                    )
            for start in range(0, len(occurrences), EVENTS_PER_CALL):
                self._send(dict(list(occurrences.items())[start : start + EVENTS_PER_CALL]), outcomes)
        except CrmUnavailableError as error:
            unsent = [note_id for note_id, *_ in notes if note_id not in outcomes]
            return outcomes | dict.fromkeys(unsent, self._outcome_of(error))
        return outcomes

    def define(self, *, dry_run: bool = False) -> list[str]:
        """Define the events that the portal lacks, and properties that its events lack; return the events' names.

        A portal without custom events lacks none.

        Raises:
            CrmUnavailableError: HubSpot does not answer, or does not take a definition; the others are made all the same.

        """
        try:
            existing = self._read()
        except CrmUnavailableError as error:
            if self._outcome_of(error) == _UNSUPPORTED:
                return []
            raise
        missing: list[str] = [name for name in TIMELINE_EVENTS if _lacks(existing.get(slug(name)), name)]
        refused = [] if dry_run else [name for name in missing if not self._make(existing, name)]
        if refused:
            reason = f"event_not_defined {slug(refused[0])}"
            raise CrmUnavailableError(CrmOutcome(state="waiting", reason=reason, setting="HubSpot's events"))
        return missing

    def _make(self, existing: Mapping[str, _Definition], name: str) -> bool:
        """Define one event, or the properties that it lacks; return whether HubSpot took that."""
        known = existing.get(slug(name))
        if known is None:
            reply = self.client.call("POST", self.client.paths.definitions, definition(name))
            return reply.status in _DEFINED
        path = f"{self.client.paths.definitions}/{quote(known.full_name, safe='')}/property"
        lacking = [each for each in _carried(name) if each["name"] not in known.properties]
        return all(self.client.call("POST", path, each).status in _DEFINED for each in lacking)

    def _send(
        self,
        occurrences: Mapping[str, dict[str, Any]],
        outcomes: dict[str, CrmOutcome],
        halvings: int = 0,
    ) -> int:
        """Send these events; if HubSpot refuses them together, in halves, so that one does not affect the others.

        Return how often the batch was halved.
        """
        path = f"{self.client.paths.events}/batch"
        reply = self.client.call("POST", path, {"inputs": list(occurrences.values())})
        if reply.status < HTTPStatus.BAD_REQUEST:
            outcomes |= dict.fromkeys(occurrences, CrmOutcome(state="mirrored"))
        elif len(occurrences) == 1 or halvings >= MOST_HALVINGS:
            outcomes |= dict.fromkeys(occurrences, _EVENT_REFUSED)
        else:
            items = list(occurrences.items())
            middle = (len(items) + 1) // 2
            for half in (items[:middle], items[middle:]):
                halvings = self._send(dict(half), outcomes, halvings + 1)
        return halvings

    def _event_names(self) -> dict[str, str]:
        """Return HubSpot's names of our events; define the missing events, once."""
        if not self._names:
            if self._is_unsupported():
                return {}
            try:
                self.define()
            except CrmUnavailableError as error:
                if error.outcome.state != "waiting":
                    raise
            existing = {} if self._is_unsupported() else self._read()
            self._names = {
                name: known.full_name
                for name in TIMELINE_EVENTS
                if (known := existing.get(slug(name))) and not _lacks(known, name)
            }
        return self._names

    def _read(self) -> dict[str, _Definition]:
        """Return all events of the portal, by their internal names."""
        names: dict[str, _Definition] = {}
        first = f"{self.client.paths.definitions}?limit={_DEFINITIONS_PER_PAGE}"
        path = first
        for _ in range(_MAX_PAGES):
            body = self.client.call("GET", path).body
            names |= {
                str(known.get("name")): _Definition(
                    str(known.get("fullyQualifiedName") or known.get("name")),
                    frozenset(
                        str(each.get("name"))
                        for listing in ("properties", "propertyDefinitions")
                        for each in objects_in(known, listing)
                    ),
                )
                for known in objects_in(body, "results")
            }
            after = _next_page(body)
            if not after:
                return names
            path = f"{first}&after={quote(after, safe='')}"
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="listing_without_end"))

    def _is_unsupported(self) -> bool:
        return self._unsupported

    def _outcome_of(self, error: CrmUnavailableError) -> CrmOutcome:
        """Return the outcome of every note in a failed call; from a 403 on the portal counts as one without events."""
        outcome = error.outcome
        if outcome.state == "unauthorised" and outcome.reason in {"http_403", "missing_scopes"}:
            self._unsupported = True
            return _UNSUPPORTED
        return outcome


def slug(name: str) -> str:
    """Return an event's internal name: `membership_joined` for `Membership Joined`."""
    return name.lower().replace(" ", "_")


def definition(name: str) -> dict[str, Any]:
    """Return the definition of one of our events, as HubSpot's API takes it."""
    return {
        "label": name,
        "name": slug(name),
        "primaryObject": "CONTACT",
        "includeDefaultProperties": False,
        "propertyDefinitions": _carried(name),
    }


def _carried(name: str) -> list[dict[str, str]]:
    """Return the definitions of what an event carries."""
    return [
        {
            "name": carried,
            "label": carried.replace("_", " ").capitalize(),
            "type": _TYPES.get(kind, "string"),
        }
        for carried, kind in properties_of(name).items()
    ]


def _lacks(known: _Definition | None, name: str) -> bool:
    """Return whether an event is not defined, or without a property that we send."""
    return known is None or any(each["name"] not in known.properties for each in _carried(name))


def _next_page(body: Mapping[str, Any]) -> str:
    """Return the cursor of a listing's next page; empty after the last."""
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, Mapping) else None
    return str(following.get("after") or "") if isinstance(following, Mapping) else ""


def _occurrence(
    note_id: str, name: str, event_effects: EventEffects, note: Note, contact: ContactRef
) -> dict[str, Any]:
    whole = with_common_properties(
        note, member=contact.key, event_id=event_effects.event_id, at=event_effects.at
    )
    # HubSpot refuses an event with a property that its definition lacks.
    defined = properties_of(note.name)
    properties = {carried: encode(value) for carried, value in whole.properties.items() if carried in defined}
    subject = {"objectId": contact.id} if contact.id else {"email": contact.email or ""}
    return {
        "eventName": name,
        **subject,
        "uuid": str(uuid5(_NAMESPACE, note_id)),
        "occurredAt": encode(event_effects.at),
        "properties": properties,
    }
