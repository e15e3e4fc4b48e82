"""Notes become HubSpot's custom events, five hundred at a time: in portals that have them, where a setting says so.

Custom events need an Enterprise hub; a portal without them answers 403, and is not asked again by this
environment. An event is sent under a name that HubSpot makes of ours and the portal's id, so the
definitions are read once. Its `uuid` follows from the effect's id: of two alike HubSpot keeps the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid5

from relay.adapters.crm_http import ClosedError, objects
from relay.adapters.hubspot.client import HubspotClient
from relay.adapters.hubspot.mapping import encode
from relay.adapters.hubspot.paths import HubspotPaths
from relay.model.effects import Note
from relay.model.fields import ValueKind
from relay.model.messages import EventEffects, MemberChanged, notes_in
from relay.model.timeline_events import TIMELINE_EVENTS, properties_of
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.timeline import with_common_properties

AT_ONCE: Final = 500
_PAGE: Final = 100
_MOST_PAGES: Final = 20
"""A portal has 500 definitions at most."""

_OURS: Final = UUID("5c4c9c53-6d0a-5f5b-9a0e-3f1d0c8f7a21")
"""The namespace of our events' ids: another one would tell every event of the past year again."""

_NONE_HERE: Final = CrmOutcome(state="skipped", reason="this portal has no custom events")
_UNKNOWN: Final = CrmOutcome(state="skipped", reason="no event by this name")
_QUIET: Final = CrmOutcome(state="skipped", reason="quiet")
_MADE: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.CONFLICT})
_KINDS: Final = {ValueKind.MONEY: "number", ValueKind.COUNT: "number", ValueKind.MOMENT: "datetime"}


@dataclass(slots=True)
class HubspotTimeline:
    """Custom events of one portal."""

    client: HubspotClient
    paths: HubspotPaths
    _names: dict[str, str] = field(default_factory=dict)
    _none_here: bool = False

    def record(
        self, changes: Sequence[MemberChanged], homes: Mapping[str, ContactRef]
    ) -> dict[str, CrmOutcome]:
        """Send the notes of these changes; an outcome for each, by effect id."""
        outcomes: dict[str, CrmOutcome] = {}
        occurrences: dict[str, dict[str, Any]] = {}
        notes = list(notes_in(changes))
        try:
            names = self._known() if notes else {}
            for note_id, change, event_effects, note in notes:
                if change.backfill or note.name not in names:
                    # HubSpot has no event that starts nothing: a back-fill's are not sent at all.
                    outcomes[note_id] = (
                        _NONE_HERE if self._none_here else _QUIET if change.backfill else _UNKNOWN
                    )
                    continue
                home = homes.get(change.member, ContactRef(key=change.member))
                occurrences[note_id] = _occurrence(note_id, names[note.name], event_effects, note, home)
            for start in range(0, len(occurrences), AT_ONCE):
                self._send(dict(list(occurrences.items())[start : start + AT_ONCE]), outcomes)
        except ClosedError as closed:
            left = [note_id for note_id, *_ in notes if note_id not in outcomes]
            return outcomes | dict.fromkeys(left, self._closed(closed))
        return outcomes

    def provide(self, *, dry_run: bool = False) -> list[str]:
        """Define the events that the portal lacks; return their names. A portal without events lacks none.

        Raises:
            ClosedError: when HubSpot cannot be asked.

        """
        try:
            there = self._read()
        except ClosedError as closed:
            if self._closed(closed) == _NONE_HERE:
                return []
            raise
        wanted: list[str] = [name for name in TIMELINE_EVENTS if slug(name) not in there]
        for name in [] if dry_run else wanted:
            reply = self.client.call("POST", self.paths.definitions, definition(name))
            if reply.status not in _MADE:
                raise ClosedError(CrmOutcome(state="retry", reason="event_not_defined"))
        return wanted

    def _send(self, occurrences: Mapping[str, dict[str, Any]], outcomes: dict[str, CrmOutcome]) -> None:
        """Send these; where HubSpot refuses them together, in halves, so that one keeps no other out."""
        reply = self.client.call("POST", f"{self.paths.events}/batch", {"inputs": list(occurrences.values())})
        if reply.status < HTTPStatus.BAD_REQUEST:
            outcomes |= dict.fromkeys(occurrences, CrmOutcome(state="mirrored"))
        elif len(occurrences) == 1:
            outcomes |= dict.fromkeys(occurrences, CrmOutcome(state="refused", reason="event_refused"))
        else:
            items = list(occurrences.items())
            middle = (len(items) + 1) // 2
            for half in (items[:middle], items[middle:]):
                self._send(dict(half), outcomes)

    def _known(self) -> dict[str, str]:
        """Return HubSpot's names of our events; define what is missing, once."""
        if not self._names:
            if self._refused():
                return {}
            self.provide()
            there = {} if self._refused() else self._read()
            self._names = {name: full for name in TIMELINE_EVENTS if (full := there.get(slug(name)))}
        return self._names

    def _read(self) -> dict[str, str]:
        """Return HubSpot's names of all events of the portal, by theirs."""
        there: dict[str, str] = {}
        path = f"{self.paths.definitions}?limit={_PAGE}"
        for _ in range(_MOST_PAGES):
            body = self.client.call("GET", path).body
            there |= {
                str(known.get("name")): str(known.get("fullyQualifiedName") or known.get("name"))
                for known in objects(body, "results")
            }
            after = _after(body)
            if not after:
                return there
            path = f"{self.paths.definitions}?limit={_PAGE}&after={quote(after, safe='')}"
        raise ClosedError(CrmOutcome(state="retry", reason="listing_without_end"))

    def _refused(self) -> bool:
        """Say whether the portal has turned out to have no events."""
        return self._none_here

    def _closed(self, closed: ClosedError) -> CrmOutcome:
        if closed.outcome.state == "unauthorised" and closed.outcome.reason in {"http_403", "missing_scopes"}:
            self._none_here = True
            return _NONE_HERE
        return closed.outcome


def _after(body: Mapping[str, Any]) -> str:
    """Return where a listing goes on; empty where this was its end."""
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, Mapping) else None
    return str(following.get("after") or "") if isinstance(following, Mapping) else ""


def slug(name: str) -> str:
    """Return an event's internal name: `Membership Joined` is `membership_joined`."""
    return name.lower().replace(" ", "_")


def definition(name: str) -> dict[str, Any]:
    """Return the definition of one of our events, as HubSpot's API takes it."""
    return {
        "label": name,
        "name": slug(name),
        "primaryObject": "CONTACT",
        "includeDefaultProperties": False,
        "propertyDefinitions": [
            {
                "name": carried,
                "label": carried.replace("_", " ").capitalize(),
                "type": _KINDS.get(kind, "string"),
            }
            for carried, kind in properties_of(name).items()
        ],
    }


def _occurrence(
    note_id: str, name: str, event_effects: EventEffects, note: Note, home: ContactRef
) -> dict[str, Any]:
    whole = with_common_properties(
        note, member=home.key, event_id=event_effects.event_id, at=event_effects.at
    )
    # An event may have the properties of its definition alone: another one would have all of it refused.
    known = properties_of(note.name)
    told = {carried: encode(value) for carried, value in whole.properties.items() if carried in known}
    whom = {"objectId": home.id} if home.id else {"email": home.email or ""}
    return {
        "eventName": name,
        **whom,
        "uuid": str(uuid5(_OURS, note_id)),
        "occurredAt": encode(event_effects.at),
        "properties": told,
    }
