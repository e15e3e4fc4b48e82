"""HubSpot: members become contacts, a hundred at a time, each under its unique `membership_key`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from relay.adapters.crm_batches import in_batches
from relay.adapters.crm_http import READ_SECONDS, AccessToken, CrmHttpClient, in_our_words
from relay.adapters.hubspot import contacts
from relay.adapters.hubspot.client import HubspotClient
from relay.adapters.hubspot.paths import DEFAULT_VERSION, PATHS
from relay.adapters.hubspot.schema import missing, provide
from relay.adapters.hubspot.timeline import AT_ONCE, HubspotTimeline
from relay.adapters.hubspot.upsert import HubspotUpsert
from relay.errors import MisconfiguredError
from relay.model.messages import MemberChanged, notes_in
from relay.ports.crm import ContactRef, CrmOutcome, RateLimit
from relay.rules.crm_profile import CrmProfile

if TYPE_CHECKING:
    import httpx

CALLS: Final = 90
"""In ten seconds: the smallest plan allows 100, and the merchant's other tools call as well."""

_EVENTS_OFF: Final = CrmOutcome(state="skipped", reason="custom events are off")


class Hubspot:
    """HubSpot as a `Crm`. `version` names a row of `PATHS`; `transport` stands in for the network in tests.

    With `events`, notes become custom events, where the portal has them.
    """

    name: Final = "hubspot"
    batch_size: Final = 100
    notes_batch_size: Final = AT_ONCE
    # Of custom events it takes 1,250 a second: two full batches.
    rates: Final = (RateLimit(calls=CALLS, seconds=10), RateLimit(calls=2, seconds=1, path="/send"))
    homes_by: Final = "key"
    automations: Final = "workflows"
    bulk: Final = None

    def __init__(  # noqa: PLR0913 - a deployment gives four of them; the others are for tests and for one setting
        self,
        base_url: str,
        token: AccessToken,
        version: str = DEFAULT_VERSION,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
        *,
        events: bool = False,
    ) -> None:
        if version not in PATHS:
            raise MisconfiguredError("not a version of HubSpot's API that we know", setting="HUBSPOT_VERSION")
        self._paths = PATHS[version]
        self._wire = CrmHttpClient(transport, read_seconds)
        self._client = HubspotClient(base_url.rstrip("/"), token, self._wire)
        self._events = HubspotTimeline(self._client, self._paths) if events else None

    def upsert(self, profiles: Sequence[CrmProfile]) -> Mapping[str, CrmOutcome]:
        """Write the members' contacts."""
        return in_batches(profiles, self.batch_size, lambda: HubspotUpsert(self._client, self._paths))

    def record(
        self, changes: Sequence[MemberChanged], homes: Mapping[str, ContactRef] = MappingProxyType({})
    ) -> Mapping[str, CrmOutcome]:
        """Send the notes as custom events, where they are on."""
        if self._events:
            return self._events.record(changes, homes)
        return {note_id: _EVENTS_OFF for note_id, *_ in notes_in(changes)}

    def clear(self, homes: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Take our fields off the contacts that bear these members' keys."""
        return contacts.clear(self._client, self._paths, homes)

    def read(self, homes: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what HubSpot holds of these members."""
        with in_our_words(self.name, "HUBSPOT_SECRET"):
            return contacts.read(self._client, self._paths, [home.key for home in homes])

    def shown(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return what `read` would find after this profile was written."""
        return contacts.shown(profile)

    def check(self) -> None:
        """Ask for our properties."""
        with in_our_words(self.name, "HUBSPOT_SECRET"):
            missing(self._client, self._paths)

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:
        """Define the group, the properties and, where they are on, the events that are missing."""
        with in_our_words(self.name, "HUBSPOT_SECRET"):
            if dry_run:
                names = [definition["name"] for definition in missing(self._client, self._paths)]
            else:
                names = provide(self._client, self._paths)
            return names + (self._events.provide(dry_run=dry_run) if self._events else [])

    def close(self) -> None:
        """End the connections. A function never does: they end with its environment."""
        self._wire.close()
