"""HubSpot: members become contacts, a hundred in a call, each under its unique `membership_key`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from relay.adapters.crm_batches import in_batches
from relay.adapters.http import READ_SECONDS, CrmHttpClient, SecretSource, port_errors
from relay.adapters.hubspot import contacts as hubspot_contacts
from relay.adapters.hubspot import names as hubspot_names
from relay.adapters.hubspot.client import DEFAULT_VERSION, ENDS, PATHS, HubspotClient
from relay.adapters.hubspot.faults import VERSION
from relay.adapters.hubspot.schema import define, missing
from relay.adapters.hubspot.timeline import EVENTS_PER_CALL, HubspotTimeline
from relay.adapters.hubspot.upsert import HubspotUpsert
from relay.errors import MisconfiguredError
from relay.model.messages import MemberChanged, notes_in
from relay.ports.crm import NO_NOTES, ContactNotes, ContactRef, CrmOutcome, RateLimit
from relay.rules.crm_profile import CrmProfile

if TYPE_CHECKING:
    import httpx

CALLS: Final = 90
"""In ten seconds: the smallest plan allows 100, and the merchant's other tools call as well."""

_CREDENTIAL: Final = "HubSpotSecret"
_EVENTS_OFF: Final = CrmOutcome(state="skipped", reason="custom events are off")


class Hubspot:
    """HubSpot as a `Crm`. `version` is a key of `PATHS`; `transport` replaces the network in tests.

    With `events`, notes become custom events, if the portal has them.
    """

    name: Final = "hubspot"
    batch_size: Final = 100
    members_per_call: Final = 100
    notes_batch_size: Final = EVENTS_PER_CALL
    # HubSpot takes 1,250 custom events a second: two full batches.
    rate_limits: Final = (RateLimit(calls=CALLS, seconds=10), RateLimit(calls=2, seconds=1, path="/send"))
    identified_by: Final = "key"
    automations: Final = "workflows"
    bulk: Final = None

    def __init__(  # noqa: PLR0913 - a deployment gives four of them; the others are for tests and for one setting
        self,
        base_url: str,
        token: SecretSource,
        version: str = DEFAULT_VERSION,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
        *,
        events: bool = False,
    ) -> None:
        if version not in PATHS:
            raise MisconfiguredError("not a known version of HubSpot's API", setting=VERSION)
        self.version_ends: Final = ENDS[version]
        self._http = CrmHttpClient(transport, read_seconds, "HubSpotUrl")
        self._client = HubspotClient(base_url.rstrip("/"), token, self._http, PATHS[version])
        self._timeline = HubspotTimeline(self._client) if events else None

    def upsert(
        self, profiles: Sequence[CrmProfile], notes: ContactNotes = NO_NOTES
    ) -> Mapping[str, CrmOutcome]:
        """Write the members' contacts."""
        return in_batches(profiles, self.batch_size, lambda: HubspotUpsert(self._client, notes))

    def record(
        self, changes: Sequence[MemberChanged], contacts: Mapping[str, ContactRef] = MappingProxyType({})
    ) -> Mapping[str, CrmOutcome]:
        """Send the notes as custom events, if these are on."""
        if self._timeline:
            return self._timeline.record(changes, contacts)
        return {note_id: _EVENTS_OFF for note_id, *_ in notes_in(changes)}

    def clear(self, contacts: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Remove our fields from the contacts under these members' keys."""
        return hubspot_contacts.clear(self._client, contacts)

    def read(self, contacts: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what HubSpot holds of these members."""
        with port_errors(self.name, _CREDENTIAL):
            return hubspot_contacts.read(self._client, [contact.key for contact in contacts])

    def expected_fields(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return what `read` finds after this profile was written."""
        return hubspot_contacts.expected_fields(profile)

    def fill_names(self, profiles: Sequence[CrmProfile], contacts: Sequence[ContactRef]) -> None:  # noqa: ARG002 - the port's argument: the key finds a contact
        """Write names and phone where HubSpot's own are empty."""
        with port_errors(self.name, _CREDENTIAL):
            hubspot_names.fill_names(self._client, profiles)

    def check(self) -> None:
        """Read our property definitions."""
        with port_errors(self.name, _CREDENTIAL):
            missing(self._client)

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:
        """Define the group, the properties and, if they are on, the events that are missing."""
        with port_errors(self.name, _CREDENTIAL):
            if dry_run:
                names = [definition["name"] for definition in missing(self._client)]
            else:
                names = define(self._client)
            return names + (self._timeline.define(dry_run=dry_run) if self._timeline else [])

    def close(self) -> None:
        """Close the connections. A function never does: they end with its environment."""
        self._http.close()
